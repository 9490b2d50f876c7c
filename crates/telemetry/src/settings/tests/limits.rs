//! `OTEL_BSP_*` and the span limits.

use super::*;

#[test]
fn otel_bsp() {
    let settings = obeyed(&[
        ("OTEL_BSP_SCHEDULE_DELAY", "100"),
        ("OTEL_BSP_EXPORT_TIMEOUT", "200"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "64"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "32"),
        ("OTEL_BSP_MAX_CONCURRENT_EXPORTS", "2"),
    ]);
    assert_eq!(
        settings.batching,
        Batching {
            delay: Duration::from_millis(100),
            export_timeout: Duration::from_millis(200),
            queue_spans: 64,
            batch_spans: 32,
            concurrent_exports: 2,
        }
    );
    assert_eq!(
        obeyed(&[("OTEL_BSP_MAX_QUEUE_SIZE", "100")])
            .batching
            .batch_spans,
        100
    );
    let (settings, _) = refused(&[
        ("OTEL_BSP_MAX_QUEUE_SIZE", "10"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "11"),
    ]);
    assert_eq!(settings.batching.batch_spans, 10);
    let batching = obeyed(&[
        ("OTEL_BSP_SCHEDULE_DELAY", "0"),
        ("OTEL_BSP_EXPORT_TIMEOUT", "0"),
    ])
    .batching;
    assert_eq!(batching.delay, Duration::from_millis(1));
    assert_eq!(
        batching.export_timeout,
        Duration::from_secs(86_400),
        "0 is no limit, and a day the longest there is"
    );
    for name in [
        "OTEL_BSP_SCHEDULE_DELAY",
        "OTEL_BSP_EXPORT_TIMEOUT",
        "OTEL_BSP_MAX_QUEUE_SIZE",
        "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
        "OTEL_BSP_MAX_CONCURRENT_EXPORTS",
    ] {
        let settings = refused(&[(name, "-1")]).0;
        assert_eq!(settings.batching, obeyed(&[]).batching);
    }
}

#[test]
fn otel_span_limits() {
    let limits = obeyed(&[
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "1"),
        ("OTEL_SPAN_EVENT_COUNT_LIMIT", "2"),
        ("OTEL_SPAN_LINK_COUNT_LIMIT", "3"),
        ("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", "4"),
        ("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", "5"),
        ("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "6"),
    ])
    .limits;
    assert_eq!(
        limits,
        Limits {
            attributes: 1,
            events: 2,
            links: 3,
            event_attributes: 4,
            link_attributes: 5,
            value_chars: Some(6)
        }
    );
    let limits = obeyed(&[
        ("OTEL_ATTRIBUTE_COUNT_LIMIT", "7"),
        ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "8"),
        ("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", "9"),
    ])
    .limits;
    assert_eq!(
        (
            limits.attributes,
            limits.event_attributes,
            limits.link_attributes,
            limits.value_chars
        ),
        (7, 7, 9, Some(8))
    );
    assert_eq!(obeyed(&[]).limits.value_chars, None);
}
