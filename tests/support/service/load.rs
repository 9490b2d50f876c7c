//! A load of HTTP/1.1 requests: as many at a time as there are connections, or so many a second.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What becomes of a connection after an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connections {
    /// It is used again, unless the service closes it.
    KeptAlive,
    /// The request says `Connection: close`.
    Closed,
}

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// How many requests are under way at most.
    pub clients: u32,
    /// What becomes of connections.
    pub connections: Connections,
    /// Requests a second, spread over the clients; `None`: each client asks as soon as it is answered.
    pub rate: Option<u32>,
    /// For how long.
    pub time: Duration,
}

/// What came of a load.
#[derive(Debug, Clone)]
pub struct Served {
    /// How many requests were answered; one that was not fails the load.
    pub requests: u64,
    /// How long it took.
    pub time: Duration,
    /// Each request's duration, sorted. With a rate it counts from when the request was due, so that a service that
    /// hangs is not asked less.
    latencies: Vec<Duration>,
}

impl Served {
    /// Requests a second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.requests as f64 / self.time.as_secs_f64()
    }

    /// The duration that a share of the requests stayed below.
    #[must_use]
    pub fn percentile(&self, share: f64) -> Duration {
        let last = self.latencies.len().saturating_sub(1);
        let at = (last as f64 * share).round() as usize;
        self.latencies.get(at).copied().unwrap_or_default()
    }
}

impl Load {
    /// Asks `GET /api/activities/home`.
    ///
    /// # Errors
    /// A request is not answered with 200.
    pub async fn run(self, address: SocketAddr) -> Result<Served> {
        let begin = Instant::now();
        let clients: Vec<_> = (0..self.clients)
            .map(|number| tokio::spawn(self.client(address, begin, number)))
            .collect();
        let mut latencies = Vec::new();
        for client in clients {
            latencies.extend(client.await??);
        }
        latencies.sort_unstable();
        Ok(Served {
            requests: latencies.len() as u64,
            time: begin.elapsed(),
            latencies,
        })
    }

    async fn client(
        self,
        address: SocketAddr,
        begin: Instant,
        number: u32,
    ) -> Result<Vec<Duration>> {
        let pause = self
            .rate
            .map(|rate| Duration::from_secs_f64(f64::from(self.clients) / f64::from(rate)));
        let mut due = begin + pause.map_or(Duration::ZERO, |it| it / self.clients * number);
        let mut latencies = Vec::new();
        let mut client = Client {
            address,
            request: format!(
                "GET /api/activities/home HTTP/1.1\r\nHost: {address}\r\nUser-Agent: load\r\n{}\r\n",
                match self.connections {
                    Connections::KeptAlive => "",
                    Connections::Closed => "Connection: close\r\n",
                }
            ),
            stream: None,
            buffer: Vec::with_capacity(4_096),
        };
        while begin.elapsed() < self.time {
            if let Some(pause) = pause {
                tokio::time::sleep_until(due.into()).await;
                client.ask().await?;
                latencies.push(due.elapsed());
                due += pause;
            } else {
                let asked = Instant::now();
                client.ask().await?;
                latencies.push(asked.elapsed());
            }
        }
        Ok(latencies)
    }
}

struct Client {
    address: SocketAddr,
    request: String,
    stream: Option<TcpStream>,
    buffer: Vec<u8>,
}

impl Client {
    async fn ask(&mut self) -> Result<()> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => {
                let stream = TcpStream::connect(self.address).await?;
                stream.set_nodelay(true)?;
                stream
            }
        };
        stream.write_all(self.request.as_bytes()).await?;
        self.buffer.clear();
        let (head, length) = loop {
            let read = stream.read_buf(&mut self.buffer).await?;
            ensure!(read > 0, "the connection was closed before the answer");
            if let Some(end) = self.buffer.windows(4).position(|end| end == b"\r\n\r\n") {
                let head = std::str::from_utf8(&self.buffer[..end])?.to_ascii_lowercase();
                let length: usize = header(&head, "content-length")
                    .context("no Content-Length")?
                    .parse()?;
                break (head, end + 4 + length);
            }
        };
        ensure!(head.starts_with("http/1.1 200 "), "the answer was {head}");
        while self.buffer.len() < length {
            let read = stream.read_buf(&mut self.buffer).await?;
            ensure!(read > 0, "the connection was closed within the answer");
        }
        if header(&head, "connection") != Some("close") {
            self.stream = Some(stream);
        }
        Ok(())
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .map(str::trim)
}
