//! What the demo's second half needs: a container's variables as a kubelet would give them, and the places where telemetry
//! arrives, as somebody in front of their consoles sees them.

mod kubelet;

use std::collections::BTreeMap;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail};
use aws_config::BehaviorVersion;
use aws_sdk_cloudwatchlogs as logs;
use aws_sdk_xray as xray;
use aws_sdk_xray::primitives::DateTime;
use clap::{Parser, Subcommand};
use serde_json::Value;

/// Runs a workload's program with its container's variables, and looks at what its telemetry becomes. Clients' settings
/// come from the environment: KUBECONFIG, AWS_ENDPOINT_URL and credentials.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Subcommands,
}

#[derive(Debug, Subcommand)]
enum Subcommands {
    /// Prints free ports, each free for TCP and UDP
    Ports {
        /// How many
        count: usize,
    },
    /// Becomes a program that has exactly the variables of a Deployment's first container
    Run {
        /// The Deployment's namespace
        #[arg(long)]
        namespace: String,
        /// The Deployment
        #[arg(long)]
        deployment: String,
        /// Only print the variables
        #[arg(long)]
        print: bool,
        /// Also give it these variables of this process: what a node or an image would give
        #[arg(long, value_delimiter = ',')]
        pass: Vec<String>,
        /// Program and arguments
        #[arg(last = true)]
        program: Vec<String>,
    },
    /// Asks a service and prints the header X-Amzn-Trace-Id, if there is one, and the body
    Get {
        /// The URL
        url: String,
    },
    /// Counts the spans of each trace in a file that a collector has written
    Count {
        /// The file
        file: PathBuf,
    },
    /// Prints a trace of X-Ray
    Trace {
        /// Its id, as X-Ray writes it
        id: String,
    },
    /// Prints X-Ray's service graph of the last hour
    Graph,
    /// Prints the events of a log group that belong to a trace
    Logs {
        /// The group
        group: String,
        /// The trace's id, as X-Ray writes it
        trace: String,
    },
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let aws = async || aws_config::load_defaults(BehaviorVersion::latest()).await;
    match Arguments::parse().command {
        Subcommands::Ports { count } => ports(count),
        Subcommands::Run {
            namespace,
            deployment,
            print,
            pass,
            program,
        } => {
            let variables = kubelet::variables(&namespace, &deployment).await?;
            if print {
                for (name, value) in &variables {
                    println!("{name}={value}");
                }
                return Ok(());
            }
            let (program, arguments) = program.split_first().context("no program is given")?;
            let passed = pass
                .into_iter()
                .filter_map(|name| Some((name.clone(), std::env::var(name).ok()?)));
            // It only returns if it fails.
            let error = Command::new(program)
                .args(arguments)
                .env_clear()
                .envs(passed)
                .envs(variables)
                .exec();
            Err(error).with_context(|| format!("{program} cannot be run"))
        }
        Subcommands::Get { url } => {
            let answer = reqwest::get(&url).await?.error_for_status()?;
            if let Some(header) = answer.headers().get("x-amzn-trace-id") {
                println!("X-Amzn-Trace-Id: {}", header.to_str()?);
            }
            print!("{}", answer.text().await?);
            Ok(())
        }
        Subcommands::Count { file } => count(&file),
        Subcommands::Trace { id } => trace(&xray::Client::new(&aws().await), &id).await,
        Subcommands::Graph => graph(&xray::Client::new(&aws().await)).await,
        Subcommands::Logs { group, trace } => {
            events(&logs::Client::new(&aws().await), &group, &trace).await
        }
    }
}

fn ports(count: usize) -> Result<()> {
    let mut held = Vec::new();
    while held.len() < count {
        let tcp = TcpListener::bind("127.0.0.1:0")?;
        if let Ok(udp) = UdpSocket::bind(tcp.local_addr()?) {
            println!("{}", tcp.local_addr()?.port());
            held.push((tcp, udp));
        }
    }
    Ok(())
}

/// What Honeycomb shows for COUNT, grouped by trace.trace_id.
fn count(file: &PathBuf) -> Result<()> {
    let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let array = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut traces: BTreeMap<String, Vec<String>> = BTreeMap::new();
    // The last line may still be being written.
    for line in text
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
    {
        for scope in array(&line["resourceSpans"])
            .iter()
            .flat_map(|resource| array(&resource["scopeSpans"]))
        {
            for span in array(&scope["spans"]) {
                let text = |key: &str| span[key].as_str().unwrap_or_default().to_owned();
                traces
                    .entry(text("traceId"))
                    .or_default()
                    .push(text("name"));
            }
        }
    }
    if traces.is_empty() {
        bail!("no span has arrived");
    }
    println!("{:32}  COUNT  span names", "trace.trace_id");
    for (trace, names) in traces {
        println!("{trace:32}  {:5}  {}", names.len(), names.join(", "));
    }
    Ok(())
}

async fn trace(client: &xray::Client, id: &str) -> Result<()> {
    let answer = client.batch_get_traces().trace_ids(id).send().await?;
    let Some(trace) = answer.traces().first() else {
        bail!("X-Ray has no trace {id}");
    };
    println!(
        "trace {id}, {:.1} ms",
        trace.duration().unwrap_or(0.0) * 1e3
    );
    for segment in trace.segments() {
        let document: Value = serde_json::from_str(segment.document().unwrap_or_default())?;
        tree(&document, 1);
    }
    Ok(())
}

/// A segment or subsegment and what is below it, indented.
fn tree(entity: &Value, depth: usize) {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let time = |key: &str| entity[key].as_f64().unwrap_or(0.0);
    let request = &entity["http"]["request"];
    let mut line = format!("{}{}", "  ".repeat(depth), text(&entity["name"]));
    if let Some(status) = entity["http"]["response"]["status"].as_u64() {
        line += &format!(
            "  {} {} {status}",
            text(&request["method"]),
            text(&request["url"])
        );
    }
    println!(
        "{line}  {:.1} ms",
        (time("end_time") - time("start_time")) * 1e3
    );
    for below in entity["subsegments"].as_array().into_iter().flatten() {
        tree(below, depth + 1);
    }
}

async fn graph(client: &xray::Client) -> Result<()> {
    let now = SystemTime::now();
    let call = client
        .get_service_graph()
        .start_time(DateTime::from(now - Duration::from_secs(3_600)))
        .end_time(DateTime::from(now));
    let answer = call.send().await?;
    if answer.services().is_empty() {
        bail!("the service graph is empty");
    }
    for service in answer.services() {
        let statistics = service.summary_statistics();
        let requests = statistics.and_then(|it| it.total_count()).unwrap_or(0);
        println!(
            "{} ({})  {requests} traced, {} edges",
            service.name().unwrap_or_default(),
            service.r#type().unwrap_or("service"),
            service.edges().len()
        );
    }
    Ok(())
}

async fn events(client: &logs::Client, group: &str, trace: &str) -> Result<()> {
    let call = client
        .filter_log_events()
        .log_group_name(group)
        .filter_pattern(format!("{{ $.xray_trace_id = \"{trace}\" }}"));
    let answer = call.send().await?;
    if answer.events().is_empty() {
        bail!("log group {group} has no event of trace {trace}");
    }
    for event in answer.events() {
        println!(
            "{}: {}",
            event.log_stream_name().unwrap_or_default(),
            event.message().unwrap_or_default()
        );
    }
    Ok(())
}
