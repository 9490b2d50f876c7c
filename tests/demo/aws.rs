//! AWS as somebody at its console sees it, for the demo: lists what is there, and deletes behind the operator's back.

use std::fmt::Write;

use anyhow::Context;
use aws_config::BehaviorVersion;
use aws_sdk_cloudwatchlogs as logs;
use aws_sdk_xray as xray;
use clap::{Parser, Subcommand};
use tracewright_xray::contract::name::{DEFAULT_GROUP, DEFAULT_RULE};
use tracewright_xray::contract::tag;

/// Looks at X-Ray and CloudWatch Logs with the AWS SDK, whose settings come from the environment.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Lists groups, sampling rules and log groups, and whose they are by their tags
    List,
    /// Deletes a sampling rule
    DeleteSamplingRule {
        /// Its name
        name: String,
    },
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let config = aws_config::load_defaults(BehaviorVersion::latest()).await;
    let (xray, logs) = (xray::Client::new(&config), logs::Client::new(&config));
    match arguments.command {
        Command::List => {
            print!("{}", list(&xray, &logs).await?);
            Ok(())
        }
        Command::DeleteSamplingRule { name } => {
            xray.delete_sampling_rule().rule_name(name).send().await?;
            Ok(())
        }
    }
}

/// One page of each is enough for a demo.
async fn list(xray: &xray::Client, logs: &logs::Client) -> anyhow::Result<String> {
    let mut lines = String::new();
    let mut line = |kind: &str, name: &str, text: &str, owner: &str| {
        writeln!(lines, "{kind:13}  {name:8}  {text:62}  owner {owner}")
    };
    for group in xray.get_groups().send().await?.groups() {
        let name = group.group_name().unwrap_or_default();
        if name != DEFAULT_GROUP {
            let owner = xray_owner(xray, group.group_arn()).await?;
            line(
                "X-Ray group",
                name,
                group.filter_expression().unwrap_or_default(),
                &owner,
            )?;
        }
    }
    for record in xray
        .get_sampling_rules()
        .send()
        .await?
        .sampling_rule_records()
    {
        let rule = record
            .sampling_rule()
            .context("a record without its rule")?;
        let name = rule.rule_name().unwrap_or_default();
        if name != DEFAULT_RULE {
            let owner = xray_owner(xray, rule.rule_arn()).await?;
            let (priority, rate, reservoir) =
                (rule.priority(), rule.fixed_rate(), rule.reservoir_size());
            let text = format!(
                "priority {priority}, rate {rate}, reservoir {reservoir}, service {}",
                rule.service_name()
            );
            line("sampling rule", name, &text, &owner)?;
        }
    }
    for group in logs.describe_log_groups().send().await?.log_groups() {
        let arn = group.log_group_arn().context("a log group without ARN")?;
        let tags = logs
            .list_tags_for_resource()
            .resource_arn(arn)
            .send()
            .await?
            .tags
            .unwrap_or_default();
        let text = match group.retention_in_days() {
            Some(days) => format!("keeps events for {days} days"),
            None => "keeps events for ever".to_owned(),
        };
        let owner = tags.get(tag::PROFILE).cloned().unwrap_or_else(nobody);
        line(
            "log group",
            group.log_group_name().unwrap_or_default(),
            &text,
            &owner,
        )?;
    }
    Ok(lines)
}

async fn xray_owner(xray: &xray::Client, arn: Option<&str>) -> anyhow::Result<String> {
    let tags = xray
        .list_tags_for_resource()
        .set_resource_arn(arn.map(str::to_owned))
        .send()
        .await?;
    let owner = tags.tags().iter().find(|tag| tag.key() == tag::PROFILE);
    Ok(owner.map_or_else(nobody, |owner| owner.value().to_owned()))
}

fn nobody() -> String {
    "(nobody)".to_owned()
}
