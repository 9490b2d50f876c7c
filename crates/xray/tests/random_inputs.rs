//! Ten million random inputs each into what reads headers and ids and what writes segments: no panic, every bound kept, nothing
//! lost that is not counted. The profile compiles this crate optimized so that they truly run, with overflow checks.

use fastrand::Rng;
use std::time::Duration;
use tracewright_xray::header::{MAX_BYTES, TraceHeader};
use tracewright_xray::id::{SegmentId, TraceId};
use tracewright_xray::segment::{
    Document, Entity, Exception, Frame, Http, MAX_DOCUMENT_BYTES, MAX_FRAMES, MAX_OPEN_SUBSEGMENTS,
    Namespace, Origin, Part, Root, Sql, Tree, Value, rust_backtrace,
};

const INPUTS: u64 = 10_000_000;
const THREADS: u64 = 2;

/// More than this the process never holds: the bounds are of documents and trees, not of the number of inputs.
const MAX_MEMORY_KIB: u64 = 512 * 1024;

/// Runs `test` on each thread with its own seed; each seed always gives the same inputs.
fn on_all_threads(test: impl Fn(&mut Rng, u64) + Sync) {
    std::thread::scope(|scope| {
        for seed in 0..THREADS {
            let test = &test;
            scope.spawn(move || test(&mut Rng::with_seed(seed), INPUTS / THREADS));
        }
    });
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(peak < MAX_MEMORY_KIB, "{peak} KiB");
}

/// A text made of pieces that the parser knows, and of anything else.
fn header(random: &mut Rng, text: &mut String) {
    const PIECES: [&str; 22] = [
        "Root=",
        "Parent=",
        "Sampled=",
        "Self=",
        "1-5759e988-bd862e3fe1be46a994272793",
        "53995c3f42cd8ad8",
        "0000000000000000",
        "1-00000000-000000000000000000000000",
        ";",
        ";",
        "=",
        "?",
        "0",
        "1",
        " ",
        "-",
        "a",
        "Lineage=a:1|b:2",
        "é",
        "\u{1f980}",
        "\n",
        "\0",
    ];
    text.clear();
    for _ in 0..random.usize(0..12) {
        if random.u8(..) < 200 {
            text.push_str(PIECES[random.usize(..PIECES.len())]);
        } else {
            text.push(random.char(..));
        }
    }
    if random.u16(..) == 0 {
        text.push_str(&"k=v;".repeat(random.usize(0..2_000)));
    }
}

#[test]
fn ten_million_headers_are_read() {
    on_all_threads(|random, inputs| {
        let mut text = String::new();
        let (mut read, mut refused) = (0, 0);
        for _ in 0..inputs {
            header(random, &mut text);
            match TraceHeader::parse(&text) {
                Ok(header) => {
                    read += 1;
                    assert!(text.len() <= MAX_BYTES && header.data.len() <= text.len());
                    if random.u8(..) == 0 {
                        let written = header.to_string();
                        assert!(written.bytes().all(|byte| (0x20..0x7f).contains(&byte)));
                        assert_eq!(TraceHeader::parse(&written), Ok(header), "{text:?}");
                    }
                }
                Err(_) => refused += 1,
            }
        }
        assert!(
            read > inputs / 10 && refused > inputs / 10,
            "{read} {refused}"
        );
    });
}

#[test]
fn ten_million_ids_are_read() {
    on_all_threads(|random, inputs| {
        let (mut text, mut ids) = (String::new(), 0);
        for _ in 0..inputs {
            text.clear();
            let length = [16, 32, 35, random.usize(0..40)][random.usize(0..4)];
            for at in 0..length {
                text.push(match (length, at) {
                    (35, 0) => '1',
                    (35, 1 | 10) => '-',
                    _ if random.u16(..) < 300 => random.char(..),
                    _ => char::from(b"0123456789abcdefABCDEF"[random.usize(0..22)]),
                });
            }
            if let Ok(id) = text.parse::<TraceId>() {
                assert_eq!(id.to_string().parse(), Ok(id));
                ids += 1;
            }
            if let Ok(id) = text.parse::<SegmentId>() {
                assert_eq!(id.to_string().parse(), Ok(id));
                ids += 1;
            }
        }
        assert!(ids > inputs / 4, "{ids}");
    });
}

/// Texts of every length and kind, made once.
struct Texts(Vec<String>);

impl Texts {
    fn new(random: &mut Rng) -> Self {
        let mut texts: Vec<String> = (0..400)
            .map(|_| {
                let length = random.usize(0..30);
                (0..length)
                    .map(|_| {
                        if random.bool() {
                            random.alphanumeric()
                        } else {
                            random.char(..)
                        }
                    })
                    .collect()
            })
            .collect();
        texts.push("\u{1}".repeat(70_000));
        texts.push("é\"".repeat(20_000));
        texts.push("key_1".into());
        Self(texts)
    }

    fn any(&self, random: &mut Rng) -> &str {
        // The long ones seldom: they are all that takes time.
        let end = if random.u16(..) < 4 {
            self.0.len()
        } else {
            400
        };
        &self.0[random.usize(..end)]
    }

    fn maybe(&self, random: &mut Rng) -> Option<&str> {
        random.bool().then(|| self.any(random))
    }

    fn value(&self, random: &mut Rng) -> Value<'_> {
        match random.u8(0..5) {
            0 => Value::Text(self.any(random)),
            1 => Value::Int(random.i64(..)),
            2 => Value::Float(f64::from_bits(random.u64(..))),
            3 => Value::Bool(random.bool()),
            _ => Value::List(vec![Value::Text(self.any(random)), Value::Int(1)]),
        }
    }

    fn entity<'a>(&'a self, random: &mut Rng, root: Option<Root<'a>>) -> Entity<'a> {
        let many = |random: &mut Rng| {
            if random.u8(..) == 0 {
                random.usize(0..80)
            } else {
                random.usize(0..3)
            }
        };
        let exceptions = match random.u8(..) {
            0..32 => random.usize(0..3),
            _ => 0,
        };
        let exceptions = (0..exceptions).map(|_| Exception {
            id: random.u64(..).to_be_bytes(),
            kind: self.any(random),
            message: self.any(random),
            remote: random.bool(),
            stack: (0..random.usize(0..15))
                .map(|_| Frame {
                    path: self.any(random),
                    line: random.u32(..),
                    label: self.any(random),
                })
                .collect(),
        });
        Entity {
            exceptions: exceptions.collect(),
            name: self.any(random),
            start: Duration::from_micros(random.u64(..)),
            end: Duration::from_micros(random.u64(..)),
            root,
            namespace: random.bool().then_some(if random.bool() {
                Namespace::Aws
            } else {
                Namespace::Remote
            }),
            http: Http {
                url: self.maybe(random),
                method: self.maybe(random),
                user_agent: self.maybe(random),
                client_ip: self.maybe(random),
                x_forwarded_for: random.bool(),
                status: random.bool().then(|| random.u16(..)),
                content_length: random.bool().then(|| random.u64(..)),
            },
            sql: Sql {
                sanitized_query: self.maybe(random),
                ..Sql::default()
            },
            aws: (0..many(random))
                .map(|_| (self.any(random), self.any(random)))
                .collect(),
            fault: random.bool(),
            error: random.bool(),
            throttle: random.bool(),
            cause: random.bool().then(|| random.u64(..).to_be_bytes()),
            working_directory: self.maybe(random),
            annotations: (0..many(random))
                .map(|_| (self.any(random), self.value(random)))
                .collect(),
            metadata: (0..many(random))
                .map(|_| (self.any(random), self.any(random), self.value(random)))
                .collect(),
        }
    }
}

/// Every document is within the limit; now and then one is read.
fn check(random: &mut Rng, documents: &[Document]) -> u64 {
    for document in documents {
        assert!(document.json.len() <= MAX_DOCUMENT_BYTES);
        if random.u16(..) < 50 {
            let read = serde_json::from_str::<serde_json::Value>(&document.json);
            assert!(read.is_ok(), "{read:?} {}", document.json);
        }
    }
    documents
        .iter()
        .map(|document| document.entities as u64)
        .sum()
}

#[test]
fn ten_million_subsegments_become_documents() {
    on_all_threads(|random, inputs| {
        let texts = Texts::new(random);
        let origin = Origin::default();
        let id = |random: &mut Rng, among: u64| {
            SegmentId::from_bytes((1 + random.u64(..among)).to_be_bytes()).unwrap()
        };
        let (mut written, mut sent, mut lost) = (0, 0, 0);
        while written < inputs {
            // Few ids meet often: rings, unknown parents, ids that are used again.
            let among = [3, 40, 400, 20_000][random.usize(..4)];
            let trace = TraceId::new(random.u32(..), [7; 12]);
            let root_id = id(random, among);
            let mut tree = Tree::new(trace, root_id);
            let mut open = Vec::new();
            let steps = [4, 40, 400][random.usize(..3)];
            for _ in 0..random.usize(..steps) {
                if open.is_empty() || random.bool() {
                    let (own, parent) = (id(random, among), id(random, among));
                    if tree.start(own, parent) {
                        open.push(own);
                    }
                    assert!(open.len() <= MAX_OPEN_SUBSEGMENTS);
                } else {
                    let own = open.swap_remove(random.usize(..open.len()));
                    let (part, report) = Part::write(own, &texts.entity(random, None));
                    assert!(report.annotations_dropped <= 80 && report.metadata_dropped <= 80);
                    written += 1;
                    sent += check(random, &tree.end(own, part));
                }
            }
            let root = Root {
                trace,
                parent: random.bool().then(|| id(random, among)),
                origin: &origin,
                sampling_rule: texts.maybe(random),
                user: texts.maybe(random),
            };
            let (part, _) = Part::write(root_id, &texts.entity(random, Some(root)));
            written += 1;
            sent += check(random, &tree.end_root(part));
            // What outlives its segment goes out alone; what never ends is the caller's to count.
            for own in open {
                if random.bool() {
                    let (part, _) = Part::write(own, &texts.entity(random, None));
                    written += 1;
                    sent += check(random, &tree.end(own, part));
                } else {
                    lost += 1;
                }
            }
        }
        assert_eq!(sent, written, "{lost} were left open");
    });
}

#[test]
fn a_million_backtraces_are_read() {
    on_all_threads(|random, inputs| {
        const PIECES: [&str; 9] = [
            "at ",
            ": ",
            "\n",
            "  ",
            "0",
            "12",
            "src/main.rs:3:1",
            "é",
            "\\",
        ];
        let mut text = String::new();
        for _ in 0..inputs / 10 {
            text.clear();
            for _ in 0..random.usize(0..60) {
                text.push_str(PIECES[random.usize(..PIECES.len())]);
            }
            assert!(rust_backtrace(&text).len() <= MAX_FRAMES);
        }
    });
}
