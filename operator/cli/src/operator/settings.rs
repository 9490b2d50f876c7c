//! What the operator can be told when it starts.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use clap::Args;

use crate::aws::bucket::Rate;
use crate::cluster::receiver::Check;

/// Options of `tracewright operator`. Each has an environment variable of the same meaning.
#[derive(Args, Clone, Debug)]
pub struct Settings {
    /// Name of this cluster in the tags of AWS objects. Default: the UID of the namespace kube-system.
    #[arg(long, env = "TRACEWRIGHT_CLUSTER_NAME")]
    pub cluster_name: Option<String>,

    /// AWS region of profiles that name none.
    #[arg(long, env = "AWS_REGION")]
    pub region: Option<String>,

    /// URL that replaces the endpoints of all AWS services, for example of an emulator.
    #[arg(long, env = "TRACEWRIGHT_AWS_ENDPOINT_URL")]
    pub aws_endpoint_url: Option<String>,

    /// Share of AWS's documented request rates that the operator takes, above 0 and at most 1.
    #[arg(long, env = "TRACEWRIGHT_AWS_RATE_SHARE", default_value_t = 0.8, value_parser = share)]
    pub aws_rate_share: f64,

    /// Request rate of one operation in place of the documented one, as `service.Operation=PER_SECOND[:BURST]`; may be
    /// given several times.
    #[arg(long, env = "TRACEWRIGHT_AWS_RATE", value_delimiter = ',', value_parser = rate)]
    pub aws_rate: Vec<(String, Rate)>,

    /// How often AWS is compared with the profiles, give or take a tenth.
    #[arg(long, env = "TRACEWRIGHT_DRIFT_INTERVAL", default_value = "5m", value_parser = duration)]
    pub drift_interval: Duration,

    /// How often tags of AWS objects are read again.
    #[arg(long, env = "TRACEWRIGHT_TAG_DRIFT_INTERVAL", default_value = "6h", value_parser = duration)]
    pub tag_drift_interval: Duration,

    /// How long a young object without our tags is taken for one of ours whose tags have not appeared yet.
    #[arg(long, env = "TRACEWRIGHT_TAG_SETTLE_TIME", default_value = "60s", value_parser = duration)]
    pub tag_settle_time: Duration,

    /// How long a deleted profile waits for an AWS that is away before it is released and what stays behind is recorded.
    #[arg(long, env = "TRACEWRIGHT_DELETION_TIMEOUT", default_value = "10m", value_parser = duration)]
    pub deletion_timeout: Duration,

    /// X-Ray groups that AWS allows in an account and region.
    #[arg(long, env = "TRACEWRIGHT_QUOTA_GROUPS", default_value_t = 25)]
    pub quota_groups: usize,

    /// Custom sampling rules that AWS allows in an account and region.
    #[arg(long, env = "TRACEWRIGHT_QUOTA_SAMPLING_RULES", default_value_t = 25)]
    pub quota_sampling_rules: usize,

    /// Profiles that are reconciled at the same time.
    #[arg(long, env = "TRACEWRIGHT_CONCURRENT_RECONCILES", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..))]
    pub concurrent_reconciles: u16,

    /// Workloads of all profiles that may be rolling out at the same time.
    #[arg(long, env = "TRACEWRIGHT_MAX_CONCURRENT_ROLLOUTS", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    pub max_concurrent_rollouts: u32,

    /// Address of the receiver of profiles that declare none, as host:port or `tcp:host:port udp:host:port`.
    #[arg(long, env = "TRACEWRIGHT_DEFAULT_RECEIVER", value_parser = receiver)]
    pub default_receiver: Option<String>,

    /// Runs no receivers, and needs no rights for it: profiles that declare one are told so.
    #[arg(long, env = "TRACEWRIGHT_NO_RECEIVERS")]
    pub no_receivers: bool,

    /// Namespaces that are looked after, separated by commas; rights are needed in these only. Default: all.
    #[arg(
        long,
        env = "TRACEWRIGHT_WATCH_NAMESPACES",
        value_delimiter = ',',
        requires = "cluster_name"
    )]
    pub watch_namespaces: Vec<String>,

    /// How it is found out whether a receiver is ready.
    #[arg(long, env = "TRACEWRIGHT_RECEIVER_CHECK", default_value = "proxy")]
    pub receiver_check: Check,

    /// Image of the AWS X-Ray daemon where a profile names none.
    #[arg(
        long,
        env = "TRACEWRIGHT_DAEMON_IMAGE",
        default_value = "public.ecr.aws/xray/aws-xray-daemon:3.6.6"
    )]
    pub daemon_image: String,

    /// Image of the OpenTelemetry Collector where a profile names none.
    #[arg(
        long,
        env = "TRACEWRIGHT_COLLECTOR_IMAGE",
        default_value = "public.ecr.aws/aws-observability/aws-otel-collector:v0.45.1"
    )]
    pub collector_image: String,

    /// Namespace of the Lease and of the record of orphans.
    #[arg(long, env = "POD_NAMESPACE", default_value = "tracewright")]
    pub namespace: String,

    /// Name of this replica in the Lease.
    #[arg(long, env = "POD_NAME")]
    pub identity: Option<String>,

    /// Where metrics are served.
    #[arg(long, env = "TRACEWRIGHT_METRICS_ADDRESS", default_value = "[::]:8080")]
    pub metrics_address: SocketAddr,

    /// Where /livez and /readyz are served.
    #[arg(long, env = "TRACEWRIGHT_PROBE_ADDRESS", default_value = "[::]:8081")]
    pub probe_address: SocketAddr,

    /// Format of the log.
    #[arg(long, env = "TRACEWRIGHT_LOG_FORMAT", default_value = "text")]
    pub log_format: LogFormat,

    /// What is logged, in the syntax of RUST_LOG.
    #[arg(long, env = "TRACEWRIGHT_LOG", default_value = "info")]
    pub log: String,
}

/// Format of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// One readable line per entry.
    Text,
    /// One JSON object per line.
    Json,
}

impl Settings {
    /// The rates that replace documented ones.
    #[must_use]
    pub fn rates(&self) -> HashMap<String, Rate> {
        self.aws_rate.iter().cloned().collect()
    }
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if share > 0.0 && share <= 1.0 => Ok(share),
        _ => Err("write a share above 0 and at most 1, for example 0.8".to_owned()),
    }
}

fn rate(text: &str) -> Result<(String, Rate), String> {
    let sentence = || {
        "write service.Operation=PER_SECOND[:BURST], for example xray.GetGroups=10:20".to_owned()
    };
    let (operation, rate) = text.split_once('=').ok_or_else(sentence)?;
    let (per_second, burst) = rate.split_once(':').unwrap_or((rate, "1"));
    let number = |text: &str| {
        text.parse::<f64>()
            .ok()
            .filter(|number| *number > 0.0 && number.is_finite())
    };
    let per_second = number(per_second).ok_or_else(sentence)?;
    let burst = number(burst).ok_or_else(sentence)?.max(1.0);
    Ok((operation.to_owned(), Rate { per_second, burst }))
}

/// What workloads get as AWS_XRAY_DAEMON_ADDRESS: some X-Ray SDKs end the program on one that they cannot read.
fn receiver(text: &str) -> Result<String, String> {
    let is_address = |address: &str| {
        address.split_once(':').is_some_and(|(host, port)| {
            let is_host =
                |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
            !host.is_empty()
                && host.bytes().all(is_host)
                && port.parse::<u16>().is_ok_and(|port| port > 0)
        })
    };
    let both = text.split_once(' ').and_then(|(one, other)| {
        let (tcp, udp) = if one.starts_with("tcp:") {
            (one, other)
        } else {
            (other, one)
        };
        Some((tcp.strip_prefix("tcp:")?, udp.strip_prefix("udp:")?))
    });
    let good = both.map_or_else(
        || is_address(text),
        |(tcp, udp)| is_address(tcp) && is_address(udp),
    );
    // A chart may set the variable without a value.
    if good || text.is_empty() {
        Ok(text.to_owned())
    } else {
        Err("write host:port, for example xray.observability:2000, or tcp:host:port udp:host:port; without a port X-Ray SDKs refuse to start".to_owned())
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let duration = text
        .parse::<jiff::SignedDuration>()
        .map_err(|_| "write a duration such as 30s, 5m or 6h".to_owned())?;
    Duration::try_from(duration)
        .ok()
        .filter(|duration| !duration.is_zero())
        .ok_or_else(|| "write a duration longer than nothing, such as 30s, 5m or 6h".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receivers_address_has_a_port() {
        for good in [
            "xray.observability:2000",
            "10.0.0.1:2000",
            "tcp:a:1 udp:b:2",
            "udp:b:2 tcp:a:1",
        ] {
            assert_eq!(receiver(good), Ok(good.to_owned()));
        }
        for bad in [
            "xray.observability",
            "xray:",
            ":2000",
            "xray:0",
            "xray:70000",
            "http://xray:2000",
            "tcp:a:1",
            "tcp:a:1 tcp:b:2",
            "tcp:a:1 udp:b:2 ",
            "a b:1",
        ] {
            assert!(
                receiver(bad).is_err_and(|told| told.contains("host:port")),
                "{bad}"
            );
        }
    }

    #[test]
    fn durations_rates_and_shares_are_read_or_refused_with_a_sentence() {
        assert_eq!(duration("5m"), Ok(Duration::from_secs(300)));
        assert!(duration("0s").unwrap_err().contains("30s"));
        assert!(duration("soon").unwrap_err().contains("30s"));
        assert_eq!(
            rate("xray.GetGroups=10:20"),
            Ok((
                "xray.GetGroups".into(),
                Rate {
                    per_second: 10.0,
                    burst: 20.0
                }
            ))
        );
        assert!(rate("xray.GetGroups").is_err());
        assert!(rate("xray.GetGroups=-1").is_err());
        assert_eq!(share("1"), Ok(1.0));
        assert!(share("0").is_err());
    }
}
