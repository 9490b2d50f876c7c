//! A server that does nothing: what a request costs on this machine before any service does anything for it.

use std::net::SocketAddr;
use std::process::Command;

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::process::Running;
use crate::port::Port;

/// The argument by which a measurement's own program becomes the server.
const ARGUMENT: &str = "bare-server";
/// As long as the answer of `GET /api/activities/home`.
const BODY: [u8; 965] = [b' '; 965];

/// Serves until killed, if the program was started to do so; otherwise returns at once.
///
/// # Errors
/// The address cannot be listened on.
pub async fn serve_if_asked() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() != Some(ARGUMENT) {
        return Ok(());
    }
    let address: SocketAddr = arguments.next().context("no address")?.parse()?;
    let listener = TcpListener::bind(address).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        // A client that goes away ends its own connection only.
        tokio::spawn(async move { drop(answer(stream).await) });
    }
}

async fn answer(mut stream: TcpStream) -> Result<()> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n", BODY.len());
    let closes = "Connection: close\r\n";
    let kept = [head.as_bytes(), b"\r\n", &BODY].concat();
    let closed = [head.as_bytes(), closes.as_bytes(), b"\r\n", &BODY].concat();
    let mut request = Vec::with_capacity(4_096);
    while stream.read_buf(&mut request).await? > 0 {
        if !request.ends_with(b"\r\n\r\n") {
            continue;
        }
        let asks_to_close = request
            .windows(closes.len())
            .any(|line| line == closes.as_bytes());
        request.clear();
        if asks_to_close {
            return Ok(stream.write_all(&closed).await?);
        }
        stream.write_all(&kept).await?;
    }
    Ok(())
}

/// Starts it as a process of its own.
pub(super) async fn start() -> Result<Running> {
    let port = Port::reserve()?;
    let mut command = Command::new(std::env::current_exe()?);
    command.args([ARGUMENT, &port.address().to_string()]);
    Running::start("bare", &command, port).await
}
