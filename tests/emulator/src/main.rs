//! The emulator as a program.

use std::io::{self, Write};
use std::net::{SocketAddr, ToSocketAddrs};

use aws_emulator::{Emulator, Options};
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

/// A strict emulator of AWS X-Ray, CloudWatch Logs and STS.
///
/// Point any AWS SDK or command line at it with AWS_ENDPOINT_URL. Everything is in memory and gone at the end.
/// Everything under /_control/ steers it: faults, clock, limits, accounts, state, and what was called.
#[derive(Parser)]
#[command(name = "aws-emulator", version)]
struct Arguments {
    /// Where to listen. With port 0 a free port is taken; the address is the first line printed.
    #[arg(long, default_value = "127.0.0.1:4566", value_name = "HOST:PORT", value_parser = resolve)]
    listen: SocketAddr,
}

fn resolve(text: &str) -> io::Result<SocketAddr> {
    let mut addresses = text.to_socket_addrs()?;
    addresses
        .next()
        .ok_or_else(|| io::Error::other("the host has no address"))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let arguments = Arguments::parse();
    let (mut terminate, mut interrupt) = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
    );
    let emulator = Emulator::start(Options {
        listen: arguments.listen,
    })?;
    let mut out = io::stdout().lock();
    writeln!(out, "{}", emulator.address())?;
    out.flush()?;
    drop(out);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
