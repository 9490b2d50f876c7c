//! The AWS X-Ray daemon as receiver. (aws/aws-xray-daemon, `pkg/cfg`: the configuration's keys are case-sensitive, and
//! an unknown one or a missing `Version` ends the daemon.)

use serde_json::json;

use super::{Defaults, Runtime, objects, yaml};
use crate::crd::Daemon;

const CONFIG_FILE: &str = "cfg.yaml";

/// Memory for segments that wait to be sent, in MB. Unset, the daemon takes 1 % of the *node's* memory, which is far
/// from what the container may use.
const BUFFER_MB: u32 = 16;

pub(super) fn runtime<'a>(daemon: &'a Daemon, defaults: &Defaults<'a>) -> Runtime<'a> {
    let pods = &daemon.pods;
    let listen = objects::listen();
    let mut config = json!({
        "Version": 2,
        "Region": defaults.region,
        // The region is written, so the daemon need not ask EC2's metadata service, which pods often cannot reach.
        "LocalMode": true,
        "TotalBufferSizeMB": BUFFER_MB,
        "NoVerifySSL": false,
        "Socket": {"UDPAddress": listen, "TCPAddress": listen},
    });
    if let Some(endpoint) = &pods.endpoint {
        config["Endpoint"] = endpoint.as_str().into();
    }
    Runtime {
        pods,
        container: "xray-daemon",
        image: pods.image.as_deref().unwrap_or(defaults.daemon_image),
        config_file: CONFIG_FILE,
        config: yaml(&config),
        args: vec!["-c".into(), objects::config_path(CONFIG_FILE)],
        env: Vec::new(),
        memory: ("64Mi", "256Mi"),
    }
}
