//! What the end-to-end test runs inside of the cluster, one result a line. It has no dependencies, so that its image costs no
//! build worth mentioning.
//!
//! ```text
//! e2e-probe environ                              the variables with which process 1 was started
//! e2e-probe requests HOST:PORT PATH SECONDS      "<unix ms> <status> <trace id>" for each GET, five a second
//! e2e-probe segments HOST:PORT COUNT             "<unix ms> <trace id>" for each segment document sent by UDP
//! e2e-probe rules HOST:PORT                      the answer to GetSamplingRules over TCP
//! ```

use std::error::Error;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs, UdpSocket};
use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Longer than any answer takes that counts as one.
const TIMEOUT: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(200);

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        ["environ"] => environ(),
        ["requests", address, path, seconds] => requests(address, path, seconds),
        ["segments", address, count] => segments(address, count),
        ["rules", address] => rules(address),
        _ => Err("usage: see the beginning of tests/e2e/probe/src/main.rs".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The log of a pod holds both streams.
            println!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn environ() -> Result<()> {
    let bytes = std::fs::read("/proc/1/environ")?;
    for entry in bytes.split(|byte| *byte == 0) {
        println!("{}", String::from_utf8_lossy(entry));
    }
    Ok(())
}

fn requests(address: &str, path: &str, seconds: &str) -> Result<()> {
    let (began, time) = (Instant::now(), Duration::from_secs(seconds.parse()?));
    let mut out = io::stdout().lock();
    for number in 0.. {
        if began.elapsed() >= time {
            break;
        }
        let id = trace_id(number);
        // "?": the service decides, by the central rules.
        let header = format!("X-Amzn-Trace-Id: Root={id};Sampled=?\r\n");
        let answer = http(address, "GET", path, &header, "");
        let status = match &answer {
            Ok(answer) => answer.split(' ').nth(1).unwrap_or("none").to_owned(),
            Err(error) => format!("failed:{}", error.to_string().replace(' ', "-")),
        };
        writeln!(out, "{} {status} {id}", unix_ms())?;
        out.flush()?;
        sleep(PAUSE);
    }
    Ok(())
}

/// Each from a local port of its own: for a port used lately connection tracking still knows the pod that answered, even one
/// that is gone.
fn segments(address: &str, count: &str) -> Result<()> {
    let count: u32 = count.parse()?;
    let mut out = io::stdout().lock();
    for number in 0..count {
        let id = trace_id(number);
        let now = unix_ms() as f64 / 1000.0;
        let document = format!(
            "{{\"format\":\"json\",\"version\":1}}\n{{\"name\":\"e2e-probe\",\"id\":\"{:016x}\",\"trace_id\":\"{id}\",\"start_time\":{now:.3},\"end_time\":{:.3}}}",
            u64::from(number) + 1,
            now + 0.001,
        );
        let socket = UdpSocket::bind("0.0.0.0:0")?;
        match socket.send_to(document.as_bytes(), address) {
            Ok(_) => writeln!(out, "{} {id}", unix_ms())?,
            Err(error) => writeln!(out, "{} failed:{error}", unix_ms())?,
        }
        out.flush()?;
        sleep(PAUSE);
    }
    Ok(())
}

fn rules(address: &str) -> Result<()> {
    println!(
        "{}",
        http(
            address,
            "POST",
            "/GetSamplingRules",
            "Content-Type: application/json\r\n",
            "{}"
        )?
    );
    Ok(())
}

/// One request on a connection of its own; the answer as it comes.
fn http(address: &str, method: &str, path: &str, headers: &str, body: &str) -> Result<String> {
    let target = address
        .to_socket_addrs()?
        .next()
        .ok_or("the name has no address")?;
    let mut stream = TcpStream::connect_timeout(&target, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n{body}",
        body.len()
    )?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// An X-Ray trace id that no other run has: seconds, then nanoseconds and a number. (AWS X-Ray developer guide, "Tracing
/// header".)
fn trace_id(number: u32) -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    format!(
        "1-{:08x}-{:08x}{:08x}{number:08x}",
        now.as_secs(),
        now.subsec_nanos(),
        std::process::id()
    )
}

fn unix_ms() -> u128 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_millis()
}
