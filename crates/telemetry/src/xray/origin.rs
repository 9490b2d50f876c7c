//! What all segments of the process say: where it runs, what it is, where its logs are.

use crate::settings::Resource;
use serde_json::{Map, Value, json};
use tracewright_xray::segment::Origin;

/// The segments' shared members, and the origin that sampling rules know as the service's type.
pub(crate) fn origin(resource: &Resource, log_group: Option<&str>) -> (Origin, Option<String>) {
    let platform = resource.get("cloud.platform");
    let service_type = match platform.as_deref() {
        Some("aws_ec2") => Some("AWS::EC2::Instance"),
        Some("aws_ecs") => Some("AWS::ECS::Container"),
        Some("aws_eks") => Some("AWS::EKS::Container"),
        Some("aws_elastic_beanstalk") => Some("AWS::ElasticBeanstalk::Environment"),
        Some("aws_lambda") => Some("AWS::Lambda::Function"),
        Some("aws_app_runner") => Some("AWS::AppRunner::Service"),
        _ => None,
    };
    let members = |pairs: &[(&str, &str)]| -> Map<String, Value> {
        let known = pairs
            .iter()
            .filter_map(|(member, key)| Some(((*member).to_owned(), resource.get(key)?.into())));
        known.collect()
    };
    let mut service = members(&[("version", "service.version")]);
    service.insert("runtime".into(), "rustc".into());
    service.insert("runtime_version".into(), env!("RUSTC_VERSION").into());
    let mut aws = members(&[("account_id", "cloud.account.id")]);
    let parts = [
        (
            "eks",
            members(&[
                ("cluster_name", "k8s.cluster.name"),
                ("pod", "k8s.pod.name"),
                ("container_id", "container.id"),
            ]),
        ),
        (
            "ecs",
            members(&[
                ("container", "host.name"),
                ("container_id", "container.id"),
                ("container_arn", "aws.ecs.container.arn"),
                ("cluster_arn", "aws.ecs.cluster.arn"),
                ("task_arn", "aws.ecs.task.arn"),
            ]),
        ),
        (
            "ec2",
            members(&[
                ("instance_id", "host.id"),
                ("availability_zone", "cloud.availability_zone"),
                ("instance_size", "host.type"),
                ("ami_id", "host.image.id"),
            ]),
        ),
        (
            "elastic_beanstalk",
            members(&[
                ("environment_name", "service.namespace"),
                ("deployment_id", "service.instance.id"),
                ("version_label", "service.version"),
            ]),
        ),
    ];
    for (part, members) in parts {
        let is_here = platform
            .as_deref()
            .is_some_and(|platform| platform == format!("aws_{part}"));
        if is_here && !members.is_empty() {
            aws.insert(part.into(), members.into());
        }
    }
    // The console finds a trace's logs by these.
    let groups = resource
        .get("aws.log.group.names")
        .or(log_group.map(str::to_owned))
        .unwrap_or_default();
    let groups: Vec<Value> = groups
        .split('&')
        .filter(|group| !group.is_empty())
        .map(|group| json!({ "log_group": group }))
        .collect();
    if !groups.is_empty() {
        aws.insert("cloudwatch_logs".into(), groups.into());
    }
    let origin = Origin::new(
        service_type,
        &service,
        &aws,
        "X-Ray for Rust",
        env!("CARGO_PKG_VERSION"),
    );
    (origin.unwrap_or_default(), service_type.map(str::to_owned))
}
