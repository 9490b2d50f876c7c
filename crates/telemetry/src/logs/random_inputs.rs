//! Ten million random records through queue and batching: every limit kept, and every one of them sent or counted.

use super::batch::{Batches, LogEvent, MAX_BATCH_BYTES, MAX_BATCH_EVENTS, batches};
use super::queue::{Load, LogQueue, MAX_BYTES, MAX_EVENTS};
use crate::metrics::Metrics;
use fastrand::Rng;

const RECORDS: u64 = 10_000_000;
const NOW: i64 = 1_700_000_000_000;
const DAY: i64 = 86_400_000;

/// Times around now, around every limit, and of no sense at all.
fn timestamp(random: &mut Rng) -> i64 {
    match random.u8(..) {
        0..200 => NOW - random.i64(0..1_000),
        200..230 => NOW - random.i64(0..15 * DAY),
        230..250 => NOW + random.i64(0..DAY / 8),
        250 => i64::MIN,
        251 => i64::MAX,
        _ => random.i64(..),
    }
}

#[test]
fn ten_million_records_are_batched() {
    std::thread::scope(|scope| {
        for seed in 0..2 {
            scope.spawn(move || batch(&mut Rng::with_seed(seed), RECORDS / 2));
        }
    });
}

fn batch(random: &mut Rng, records: u64) {
    let metrics = Metrics::new(&[]);
    let queue = LogQueue::new(&metrics);
    let long = "é\n".repeat(200_000);
    let (mut sent, mut too_old, mut too_new) = (0, 0, 0);
    let mut left = records;
    while left > 0 {
        // Now and then more than the queue holds, by number or by size.
        let round = match random.u8(..) {
            0 => random.u64(0..80_000),
            _ => random.u64(0..3_000),
        };
        let round = round.min(left);
        left -= round;
        let long_ones = if random.u8(..) == 0 { 2_000 } else { 10 };
        for _ in 0..round {
            let length = if random.u16(..) < long_ones {
                random.usize(0..long.len())
            } else {
                random.usize(0..60)
            };
            queue.push(timestamp(random), &long[..long.floor_char_boundary(length)]);
        }
        let taken = queue.take();
        let load = Load::of(&taken);
        assert!(load.events <= MAX_EVENTS && load.bytes <= MAX_BYTES);
        queue.settle(load);
        let result = batches(taken, NOW);
        sent += check(&result);
        too_old += result.too_old;
        too_new += result.too_new;
    }
    let dropped = ["queue_full", "empty"].map(|cause| metrics.log_dropped(cause).get());
    assert!(dropped.iter().all(|count| *count > 0), "{dropped:?}");
    assert!(too_old > 0 && too_new > 0);
    assert_eq!(
        sent + too_old + too_new + dropped.iter().sum::<u64>(),
        records
    );
}

/// How many events the batches hold, each batch within what one call may have.
fn check(result: &Batches) -> u64 {
    for batch in &result.batches {
        assert!(!batch.is_empty() && batch.len() <= MAX_BATCH_EVENTS);
        assert!(batch.iter().map(LogEvent::size).sum::<usize>() <= MAX_BATCH_BYTES);
        assert!(batch.is_sorted_by_key(|event| event.timestamp));
        assert!(batch[batch.len() - 1].timestamp - batch[0].timestamp < DAY);
        assert!(batch[0].timestamp >= NOW - 14 * DAY);
        assert!(batch[batch.len() - 1].timestamp <= NOW + DAY / 12);
    }
    result.batches.iter().map(|batch| batch.len() as u64).sum()
}
