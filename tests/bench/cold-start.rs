//! Measures `cold-start`: from the start of the process, with all telemetry on, to the first answer.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use support::measurement::Measurement;
use support::service::{Sinks, median};

const STARTS: u32 = 20;

/// Ends with its owner.
struct Service(Child);

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let sinks = Sinks::start().await?;
    let mut times = Vec::new();
    for _ in 0..STARTS {
        times.push(start(&sinks.variables())?.as_secs_f64() * 1e3);
    }
    let slowest = times.iter().copied().fold(0.0, f64::max);
    let median = median(times);
    println!("{STARTS} starts: median {median:.1} ms, slowest {slowest:.1} ms");
    Ok(Measurement::at_most("cold-start", slowest, "ms", 50.0).conclude())
}

fn start(variables: &[(String, String)]) -> Result<Duration> {
    let program = std::env::current_exe()?.with_file_name("activities");
    let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
    let mut command = Command::new(program);
    command
        .env_clear()
        .envs(variables.iter().cloned())
        .env("LISTEN_ADDRESS", address.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let begin = Instant::now();
    let mut service = Service(command.spawn().context("activities is not built")?);
    while begin.elapsed() < Duration::from_secs(10) {
        if let Ok(answer) = ask(address) {
            ensure!(
                answer.starts_with("HTTP/1.1 200 "),
                "the answer was {answer}"
            );
            return Ok(begin.elapsed());
        }
        ensure!(service.0.try_wait()?.is_none(), "the service has ended");
        std::thread::sleep(Duration::from_micros(200));
    }
    anyhow::bail!("no answer within 10 s")
}

fn ask(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(
        b"GET /api/activities/home HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
