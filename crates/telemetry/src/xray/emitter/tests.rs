//! A receiver that moves.

use super::*;
use crate::metrics::Metrics;
use crate::shutdown::Flusher;
use std::collections::BTreeSet;
use std::net::UdpSocket as StdSocket;

/// A name whose addresses the test decides.
#[derive(Clone, Default)]
struct Name(Arc<Mutex<Vec<SocketAddr>>>);

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("receiver")
    }
}

impl Resolve for Name {
    async fn resolve(&self) -> io::Result<Vec<SocketAddr>> {
        Ok(self.0.lock().unwrap().clone())
    }
}

struct Sending {
    emitter: Arc<Emitter>,
    metrics: Arc<Metrics>,
    flusher: Flusher,
    name: Name,
    pushed: usize,
}

impl Sending {
    fn start(receiver: &StdSocket) -> Self {
        let metrics = Arc::new(Metrics::new(&[]));
        let emitter = Arc::new(Emitter::new(&metrics));
        let (flusher, name) = (Flusher::new(), Name::default());
        let sending = Self {
            emitter: Arc::clone(&emitter),
            metrics: Arc::clone(&metrics),
            name: name.clone(),
            pushed: 0,
            flusher,
        };
        sending.is_at(&[receiver]);
        let task = run(
            Consumer::new(&emitter),
            name,
            metrics,
            sending.flusher.subscribe(),
        );
        std::thread::spawn(|| {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap()
                .block_on(task);
        });
        sending
    }

    fn is_at(&self, receivers: &[&StdSocket]) {
        let addresses = receivers.iter().map(|it| it.local_addr().unwrap());
        *self.name.0.lock().unwrap() = addresses.collect();
    }

    fn push(&mut self, count: usize) {
        for _ in 0..count {
            let json = format!("{{\"n\":{}}}", self.pushed);
            self.emitter.push(Document { json, entities: 1 });
            self.pushed += 1;
        }
    }

    fn flush(&self, time: Duration) -> bool {
        self.flusher.flush(Instant::now() + time, false)
    }
}

fn receiver() -> StdSocket {
    let socket = StdSocket::bind("127.0.0.1:0").unwrap();
    socket
        .set_read_timeout(Some(Duration::from_millis(200)))
        .unwrap();
    socket
}

/// The documents that have arrived, and the ports they came from.
fn arrived(socket: &StdSocket) -> (BTreeSet<String>, BTreeSet<u16>) {
    let (mut documents, mut ports) = (BTreeSet::new(), BTreeSet::new());
    let mut datagram = [0; 1_000];
    while let Ok((length, from)) = socket.recv_from(&mut datagram) {
        let text = std::str::from_utf8(&datagram[..length]).unwrap();
        documents.insert(text.strip_prefix(DATAGRAM_HEADER).unwrap().to_owned());
        ports.insert(from.port());
    }
    (documents, ports)
}

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn what_is_sent_while_the_receiver_is_away_or_moves_arrives_at_the_new_address() {
    let first = receiver();
    let mut sending = Sending::start(&first);
    sending.push(20);
    assert!(sending.flush(MINUTE));
    assert_eq!(arrived(&first).0.len(), 20);
    // Nobody listens, and for a while the name has no address either.
    drop(first);
    sending.push(20);
    assert!(!sending.flush(Duration::from_millis(300)));
    sending.is_at(&[]);
    sending.push(20);
    assert!(!sending.flush(Duration::from_millis(300)));
    let second = receiver();
    sending.is_at(&[&second]);
    sending.push(20);
    assert!(sending.flush(MINUTE));
    assert_eq!(arrived(&second).0.len(), 60);
    assert_eq!(sending.metrics.exported(Exporter::XRay).get(), 80);
}

#[test]
fn of_several_addresses_one_that_listens_is_found() {
    let dead = receiver();
    let live = receiver();
    let mut sending = Sending::start(&dead);
    sending.is_at(&[&dead, &live]);
    drop(dead);
    sending.push(20);
    assert!(sending.flush(MINUTE));
    assert_eq!(arrived(&live).0.len(), 20);
}

#[test]
fn after_a_failed_poll_the_name_is_asked_again_and_the_local_port_is_another() {
    let first = receiver();
    let mut sending = Sending::start(&first);
    sending.push(1);
    assert!(sending.flush(MINUTE));
    let (_, old_ports) = arrived(&first);
    // The old address still takes datagrams: nothing but the poll tells that it is the wrong one.
    let second = receiver();
    sending.is_at(&[&second]);
    sending.emitter.receiver_may_have_moved.notify_one();
    let begin = Instant::now();
    let (documents, ports) = loop {
        sending.push(1);
        assert!(sending.flush(MINUTE) && begin.elapsed() < MINUTE);
        let (documents, ports) = arrived(&second);
        if !documents.is_empty() {
            break (documents, ports);
        }
    };
    assert!(old_ports.is_disjoint(&ports), "{old_ports:?} {ports:?}");
    assert_eq!(
        documents.len() + arrived(&first).0.len(),
        sending.pushed - 1
    );
}

#[test]
fn what_is_left_at_the_end_or_comes_later_is_counted() {
    let nobody = receiver();
    let mut sending = Sending::start(&nobody);
    drop(nobody);
    sending.push(2);
    let soon = Instant::now() + Duration::from_millis(300);
    assert!(!sending.flusher.flush(soon, true));
    sending.push(1);
    let lost = sending.metrics.dropped(Exporter::XRay, "shutdown");
    let begin = Instant::now();
    while lost.get() < 3 {
        assert!(begin.elapsed() < MINUTE, "{}", lost.get());
        std::thread::yield_now();
    }
    assert_eq!(sending.metrics.queue("xray").get(), 0);
}
