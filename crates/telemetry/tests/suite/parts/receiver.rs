//! The X-Ray receiver: UDP for segments, and on the same port TCP for sampling.

use super::{Answer, PATIENCE, Server};
use serde_json::Value;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

/// A receiver that keeps what arrives. It reads all the time, as a real one does: a socket's buffer is small.
#[derive(Debug)]
pub(crate) struct Receiver {
    pub(crate) tcp: Server,
    segments: Segments,
}

/// The UDP half.
#[derive(Debug)]
pub(crate) struct Segments {
    arrived: mpsc::Receiver<Value>,
    open: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Receiver {
    /// On a port that is free for both; sampling answers `tcp_answers` and then nothing useful.
    pub(crate) fn start(tcp_answers: impl IntoIterator<Item = Answer>) -> Self {
        let tcp = Server::start(tcp_answers);
        Self {
            segments: Segments::at(tcp.address),
            tcp,
        }
    }

    pub(crate) fn address(&self) -> String {
        self.tcp.address.to_string()
    }

    /// The next document.
    pub(crate) fn document(&self) -> Value {
        self.segments
            .arrived
            .recv_timeout(PATIENCE)
            .expect("a segment")
    }

    /// Everything that has arrived, once nothing more does.
    pub(crate) fn documents(&self) -> Vec<Value> {
        self.segments.documents()
    }
}

impl Segments {
    /// Listens at an address, which another one may have had.
    pub(crate) fn at(address: SocketAddr) -> Self {
        let udp = UdpSocket::bind(address).unwrap();
        udp.set_read_timeout(Some(Duration::from_millis(5)))
            .unwrap();
        let (sender, arrived) = mpsc::channel();
        let open = Arc::new(AtomicBool::new(true));
        let is_open = Arc::clone(&open);
        let thread = std::thread::spawn(move || {
            while is_open.load(Relaxed) {
                if let Some(document) = read(&udp) {
                    let _ = sender.send(document);
                }
            }
        });
        Self {
            arrived,
            open,
            thread: Some(thread),
        }
    }

    pub(crate) fn documents(&self) -> Vec<Value> {
        std::iter::from_fn(|| self.arrived.recv_timeout(Duration::from_millis(100)).ok()).collect()
    }
}

impl Drop for Segments {
    /// The port is free when this returns.
    fn drop(&mut self) {
        self.open.store(false, Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

/// A document, if one is there.
fn read(udp: &UdpSocket) -> Option<Value> {
    let mut datagram = vec![0; 70_000];
    let (length, _) = udp.recv_from(&mut datagram).ok()?;
    let (header, document) = std::str::from_utf8(&datagram[..length])
        .unwrap()
        .split_once('\n')
        .unwrap();
    assert_eq!(header, r#"{"format":"json","version":1}"#);
    Some(serde_json::from_str(document).unwrap())
}
