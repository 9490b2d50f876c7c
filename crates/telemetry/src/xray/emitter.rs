//! Documents to the receiver over UDP, as reliably as UDP can be made without its help.
//!
//! The receiver's name is resolved and the socket bound to a new local port at least every minute, after an error, and after
//! a failed poll for sampling rules: a cluster's connection tracking keeps sending a known port to a pod that is gone.
//! After each round of datagrams the socket is asked whether the network reported that nobody listens; then the round is
//! sent again. Duplicates do no harm, because X-Ray knows a document by its id.

use crate::health::Health;
use crate::metrics::{Exporter, Metrics};
use crate::settings::Address;
use crate::shutdown::{Close, Consumer, Flush, Flushes};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::UdpSocket;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};
use tracewright_xray::segment::{DATAGRAM_HEADER, Document};

/// Waiting documents are bounded by number and by size; further ones are dropped and counted.
const MAX_DOCUMENTS: usize = 8_192;
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// Documents are gathered for this long and sent together.
const GATHER: Duration = Duration::from_millis(20);
/// How many datagrams, and of which size together, are sent before the socket is asked about errors: they fit into the buffer
/// that Linux gives the receiver by default, as does one of the largest.
const ROUND_DOCUMENTS: usize = 64;
const ROUND_BYTES: usize = 64 * 1024;
/// How long the network has to report that nobody listens.
const SETTLE: Duration = Duration::from_millis(10);
/// How old a resolved address and a local port may become.
const REBIND: Duration = Duration::from_secs(60);
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(5);
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const MAX_BACKOFF: Duration = Duration::from_secs(2);

/// Where the receiver is now.
pub(crate) trait Resolve: fmt::Display + Send + Sync {
    /// All its addresses; asked again whenever one may have changed.
    fn resolve(&self) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send;
}

impl Resolve for Address {
    async fn resolve(&self) -> io::Result<Vec<SocketAddr>> {
        Ok(tokio::net::lookup_host((self.host.as_str(), self.port))
            .await?
            .collect())
    }
}

/// The queue of documents.
#[derive(Debug)]
pub(crate) struct Emitter {
    waiting: Mutex<Waiting>,
    arrived: Notify,
    /// Told when the receiver did not answer a poll.
    pub(super) receiver_may_have_moved: Notify,
    full: Counter,
    shut_down: Counter,
    length: Gauge,
}

#[derive(Debug, Default)]
struct Waiting {
    documents: VecDeque<Document>,
    bytes: usize,
    /// Nobody sends anything any more.
    closed: bool,
}

impl Emitter {
    pub(crate) fn new(metrics: &Metrics) -> Self {
        Self {
            waiting: Mutex::default(),
            arrived: Notify::new(),
            receiver_may_have_moved: Notify::new(),
            full: metrics.dropped(Exporter::XRay, "queue_full"),
            shut_down: metrics.dropped(Exporter::XRay, "shutdown"),
            length: metrics.queue("xray"),
        }
    }

    /// Queues a document, or drops it and counts its entities if there is no room.
    pub(super) fn push(&self, document: Document) {
        let was_empty = {
            let mut waiting = self.lock();
            if waiting.documents.len() >= MAX_DOCUMENTS
                || waiting.bytes + document.json.len() > MAX_BYTES
            {
                self.full.inc_by(document.entities as u64);
                return;
            }
            if waiting.closed {
                self.shut_down.inc_by(document.entities as u64);
                return;
            }
            let was_empty = waiting.documents.is_empty();
            waiting.bytes += document.json.len();
            waiting.documents.push_back(document);
            self.length.set(waiting.documents.len() as i64);
            was_empty
        };
        if was_empty {
            self.arrived.notify_one();
        }
    }

    fn take_round(&self) -> Vec<Document> {
        let mut waiting = self.lock();
        let mut round = Vec::new();
        let mut bytes = 0;
        while round.len() < ROUND_DOCUMENTS
            && let Some(document) = waiting
                .documents
                .pop_front_if(|next| round.is_empty() || bytes + next.json.len() <= ROUND_BYTES)
        {
            bytes += document.json.len();
            round.push(document);
        }
        waiting.bytes -= bytes;
        self.length.set(waiting.documents.len() as i64);
        round
    }

    /// Puts a round back to the front; it was counted against the bounds before.
    fn put_back(&self, round: Vec<Document>) {
        let mut waiting = self.lock();
        for document in round.into_iter().rev() {
            waiting.bytes += document.json.len();
            waiting.documents.push_front(document);
        }
        self.length.set(waiting.documents.len() as i64);
    }

    fn is_empty(&self) -> bool {
        self.lock().documents.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Close for Emitter {
    fn close(&self) {
        let mut waiting = self.lock();
        let entities = waiting.documents.iter().map(|document| document.entities);
        self.shut_down.inc_by(entities.sum::<usize>() as u64);
        self.length.set(0);
        *waiting = Waiting {
            closed: true,
            ..Waiting::default()
        };
    }
}

/// Sends what is queued until a closing flush.
pub(crate) async fn run(
    emitter: Consumer<Emitter>,
    address: impl Resolve,
    metrics: Arc<Metrics>,
    mut flushes: Flushes,
) {
    let mut sender = Sender {
        exported: metrics.exported(Exporter::XRay),
        emitter,
        address,
        connection: None,
        attempt: 0,
        resolve_timeout: RESOLVE_TIMEOUT,
        health: Health::new("sending segments to X-Ray"),
        metrics,
    };
    let mut backoff = FIRST_BACKOFF;
    loop {
        tokio::select! {
            biased;
            flush = flushes.next() => {
                let closes = flush.closes;
                sender.send_all(flush).await;
                if closes {
                    return;
                }
            }
            () = sender.emitter.receiver_may_have_moved.notified() => sender.connection = None,
            () = sender.emitter.arrived.notified() => sleep(GATHER).await,
            () = sleep(backoff), if !sender.emitter.is_empty() => {}
        }
        backoff = match sender.send_waiting().await {
            Ok(()) => FIRST_BACKOFF,
            Err(()) => (backoff * 2).min(MAX_BACKOFF),
        };
    }
}

struct Sender<R> {
    emitter: Consumer<Emitter>,
    address: R,
    connection: Option<Connection>,
    /// Which of the resolved addresses is tried.
    attempt: usize,
    resolve_timeout: Duration,
    health: Health,
    exported: Counter,
    metrics: Arc<Metrics>,
}

struct Connection {
    socket: UdpSocket,
    since: Instant,
}

impl<R: Resolve> Sender<R> {
    /// Sends round after round; `Err` if the receiver cannot be reached now.
    async fn send_waiting(&mut self) -> Result<(), ()> {
        loop {
            let round = self.emitter.take_round();
            if round.is_empty() {
                return Ok(());
            }
            match self.send_round(&round).await {
                Ok(()) => {
                    self.exported
                        .inc_by(round.iter().map(|document| document.entities as u64).sum());
                    self.metrics.succeeded(Exporter::XRay);
                    self.health.good();
                }
                Err(error) => {
                    self.emitter.put_back(round);
                    self.health
                        .bad(&format_args!("{} is not reached: {error}", self.address));
                    self.connection = None;
                    self.attempt += 1;
                    return Err(());
                }
            }
        }
    }

    async fn send_round(&mut self, round: &[Document]) -> io::Result<()> {
        let socket = self.socket().await?;
        let mut datagram = String::new();
        for document in round {
            datagram.clear();
            datagram.push_str(DATAGRAM_HEADER);
            datagram.push_str(&document.json);
            socket.send(datagram.as_bytes()).await?;
        }
        sleep(SETTLE).await;
        socket.take_error()?.map_or(Ok(()), Err)
    }

    async fn socket(&mut self) -> io::Result<&UdpSocket> {
        if self
            .connection
            .as_ref()
            .is_some_and(|connection| connection.since.elapsed() >= REBIND)
        {
            self.connection = None;
        }
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => Connection {
                socket: self.connect().await?,
                since: Instant::now(),
            },
        };
        Ok(&self.connection.insert(connection).socket)
    }

    async fn connect(&self) -> io::Result<UdpSocket> {
        let resolved = timeout(self.resolve_timeout, self.address.resolve()).await;
        let resolved = resolved.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        if resolved.is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::NotFound,
                "the name has no address",
            ));
        }
        let receiver = resolved[self.attempt % resolved.len()];
        let any = match receiver.ip() {
            IpAddr::V4(_) => IpAddr::from(Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(_) => IpAddr::from(Ipv6Addr::UNSPECIFIED),
        };
        let socket = UdpSocket::bind((any, 0)).await?;
        socket.connect(receiver).await?;
        Ok(socket)
    }

    /// Sends everything, at most until the deadline, and answers the request.
    async fn send_all(&mut self, flush: Flush) {
        let mut backoff = FIRST_BACKOFF;
        while !self.emitter.is_empty() && !flush.remaining().is_zero() {
            self.resolve_timeout = RESOLVE_TIMEOUT.min(flush.remaining());
            if self.send_waiting().await.is_err() {
                sleep(backoff.min(flush.remaining())).await;
                backoff = (backoff * 2).min(MAX_BACKOFF);
            }
        }
        self.resolve_timeout = RESOLVE_TIMEOUT;
        let complete = self.emitter.is_empty();
        if flush.closes {
            self.emitter.close();
        }
        flush.done(complete);
    }
}

#[cfg(test)]
mod tests;
