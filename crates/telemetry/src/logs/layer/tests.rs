//! What becomes of a record.

use super::*;
use crate::metrics::Metrics;
use opentelemetry::trace::{SpanId, TraceFlags, TraceId, TraceState, Tracer};
use serde_json::{Value, json};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use tracing_subscriber::layer::SubscriberExt;

struct Lines(mpsc::Sender<Vec<u8>>);

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let _ = self.0.send(bytes.to_vec());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The console's lines and CloudWatch's events of what `log` does.
fn logged(log: impl FnOnce()) -> (Vec<String>, Vec<Value>) {
    logged_with(None, log)
}

fn logged_with(recorder: Option<Arc<Recorder>>, log: impl FnOnce()) -> (Vec<String>, Vec<Value>) {
    let metrics = Metrics::new(&[]);
    let (sender, lines) = mpsc::channel();
    let console = Console::start(std::io::sink(), Lines(sender));
    let queue = Arc::new(LogQueue::new(&metrics));
    let layer = LogLayer::new(
        console.clone(),
        Some(Arc::clone(&queue)),
        recorder,
        Counter::default(),
    );
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), log);
    assert!(console.flush(Instant::now() + Duration::from_secs(60)));
    let text = String::from_utf8(lines.try_iter().flatten().collect()).unwrap();
    let events = queue.take();
    assert!(
        events
            .iter()
            .all(|event| event.timestamp > 1_700_000_000_000)
    );
    let events = events
        .iter()
        .map(|event| serde_json::from_str(&event.message).unwrap())
        .collect();
    (text.lines().map(str::to_owned).collect(), events)
}

#[test]
fn a_record_is_a_line_and_an_event_with_its_fields() {
    let (lines, events) = logged(|| {
        tracing::info!(target: "app", user = "a\"b", n = 3, ok = true, f = 0.5, list = ?[1, 2], level = "x", "test {}", "Log");
    });
    assert!(
        lines[0].ends_with("  INFO app: test Log user=a\"b n=3 ok=true f=0.5 list=[1, 2] level=x"),
        "{lines:?}"
    );
    assert_eq!(
        events,
        [json!({
            "level": "INFO", "target": "app", "message": "test Log", "user": "a\"b", "n": 3, "ok": true, "f": 0.5,
            "list": "[1, 2]", "fields.level": "x",
        })]
    );
}

#[test]
fn within_a_span_the_trace_s_id_is_in_both() {
    let span = SpanContext::new(
        TraceId::from(0x5759_e988 << 96 | 1),
        SpanId::from(2),
        TraceFlags::SAMPLED,
        true,
        TraceState::NONE,
    );
    let context = Context::new().with_remote_span_context(span);
    let in_context = |context: &Context| {
        logged(|| {
            let _guard = context.clone().attach();
            tracing::info!("HomeActivities");
        })
    };
    let (lines, events) = in_context(&context);
    assert!(
        lines[0].ends_with(
            "HomeActivities trace_id=5759e988000000000000000000000001 span_id=0000000000000002"
        ),
        "{lines:?}"
    );
    assert_eq!(events[0]["trace_id"], "5759e988000000000000000000000001");
    assert_eq!(
        events[0].get("xray_trace_id"),
        None,
        "X-Ray does not have it"
    );
    let decision = Decision {
        sampled: true,
        rule: None,
        name: "s".into(),
    };
    let (_, events) = in_context(&context.with_value(decision));
    assert_eq!(
        events[0]["xray_trace_id"],
        "1-5759e988-000000000000000000000001"
    );
}

#[test]
fn a_record_of_several_lines_stays_one_line() {
    let (lines, events) = logged(|| tracing::warn!(text = "c\nd", "a\nb\r"));
    assert_eq!(lines.len(), 1);
    assert!(lines[0].ends_with("a\\nb\\r text=c\\nd"), "{lines:?}");
    assert_eq!(events[0]["message"], "a\nb\r");
}

#[test]
fn a_record_that_is_too_long_stays_json_and_keeps_its_trace() {
    let span = SpanContext::new(
        TraceId::from(7),
        SpanId::from(2),
        TraceFlags::SAMPLED,
        true,
        TraceState::NONE,
    );
    let context = Context::new().with_remote_span_context(span);
    let (_, events) = logged(|| {
        let _guard = context.attach();
        tracing::info!(n = 1, "{}", "é\n".repeat(150_000));
        tracing::info!(blob = "x".repeat(300_000), "short");
        tracing::info!(n = 1, "{}", "x".repeat(200_000));
    });
    let message = |n: usize| events[n]["message"].as_str().unwrap();
    assert!(events[0].to_string().len() > MAX_MESSAGE_BYTES - 10);
    assert!(message(0).starts_with("é\né\n") && message(0).len() > 190_000);
    assert_eq!(
        (&events[0]["n"], &events[0]["truncated"]),
        (&json!(1), &json!(true))
    );
    assert_eq!((message(1), events[1].get("blob")), ("short", None));
    assert_eq!(events[1]["truncated"], true);
    assert_eq!(
        (message(2).len(), events[2].get("truncated")),
        (200_000, None)
    );
    for event in &events {
        assert_eq!(event["trace_id"], "00000000000000000000000000000007");
    }
}

#[test]
fn records_of_the_crate_log_are_taken_in_too() {
    tracing_log::LogTracer::init().unwrap();
    let (lines, events) =
        logged(|| tracing_log::log::warn!(target: "old::style", "from {}", "log"));
    assert!(
        lines[0].ends_with(" WARN old::style: from log"),
        "{lines:?}"
    );
    assert_eq!(
        events,
        [json!({"level": "WARN", "target": "old::style", "message": "from log"})]
    );
}

#[test]
fn an_empty_record_and_those_of_the_library_s_own_threads_are_not_shipped() {
    let (lines, events) = logged(|| tracing::info!(""));
    assert_eq!((lines.len(), events.len()), (1, 0));
    let (lines, events) = std::thread::spawn(|| {
        logged(|| {
            mark_telemetry_thread();
            tracing::error!("a call to CloudWatch failed");
        })
    })
    .join()
    .unwrap();
    assert_eq!((lines.len(), events.len()), (1, 0));
}

#[test]
fn a_value_that_logs_while_it_is_written_does_no_harm() {
    struct Talkative;
    impl Debug for Talkative {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            tracing::info!("inner");
            f.write_str("value")
        }
    }
    let (lines, _) = logged(|| tracing::info!(value = ?Talkative, "outer"));
    assert_eq!(lines.len(), 1);
    assert!(lines[0].ends_with("outer value=value"), "{lines:?}");
}

#[test]
fn a_value_that_cannot_be_written_costs_the_value_not_the_record() {
    struct Broken;
    impl Debug for Broken {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("half")?;
            Err(fmt::Error)
        }
    }
    impl fmt::Display for Broken {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            Err(fmt::Error)
        }
    }
    let (lines, events) = logged(|| {
        tracing::info!(debug = ?Broken, display = %Broken, n = 1, "at {} o'clock", Broken);
    });
    assert!(
        lines[0].ends_with(
            "at <cannot be written> debug=half<cannot be written> display=<cannot be written> n=1"
        ),
        "{lines:?}"
    );
    assert_eq!(events[0]["message"], "at <cannot be written>");
    assert_eq!(events[0]["display"], "<cannot be written>");
    assert_eq!(events[0]["n"], 1);
}

#[test]
fn a_job_s_records_have_x_ray_s_id_exactly_if_x_ray_has_the_job() {
    let variables = [
        ("OTEL_TRACES_EXPORTER", "none"),
        ("AWS_XRAY_DAEMON_ADDRESS", "127.0.0.1:9"),
    ];
    let telemetry = crate::Telemetry::from_env()
        .variables(variables.map(|(name, value)| (name.to_owned(), value.to_owned())))
        .start();
    let tracer = &telemetry.0.server_tracer;
    let (_, events) = logged_with(telemetry.0.recorder.clone(), || {
        // The fallback samples the first of a second and some of the others.
        for _ in 0..200 {
            tracer.in_span("job", |context| {
                let _active = context.attach();
                tracing::info!("at work");
            });
        }
    });
    let with_id = events
        .iter()
        .filter(|event| event.get("xray_trace_id").is_some())
        .count();
    assert!((1..200).contains(&with_id), "{with_id}");
}
