//! Points in time as text: RFC 3339 in UTC with microseconds.

use jiff::Timestamp;
use std::cell::RefCell;
use std::fmt::Write;
use std::time::{SystemTime, UNIX_EPOCH};

thread_local! {
    /// The last second that was written, and its text: lines come in bursts.
    static LAST: RefCell<(u64, String)> = const { RefCell::new((u64::MAX, String::new())) };
}

/// Appends `2026-11-24T10:00:00.123456Z`.
pub(crate) fn write_time(out: &mut Vec<u8>, time: SystemTime) {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    LAST.with_borrow_mut(|(second, text)| {
        if *second != since.as_secs() {
            *second = since.as_secs();
            let timestamp = Timestamp::from_second(since.as_secs().try_into().unwrap_or(i64::MAX))
                .unwrap_or(Timestamp::MAX);
            text.clear();
            write!(text, "{}", timestamp.strftime("%Y-%m-%dT%H:%M:%S"))
                .expect("writing to a string cannot fail");
        }
        out.extend_from_slice(text.as_bytes());
    });
    let mut digits = *b".000000Z";
    let mut microseconds = since.subsec_micros();
    for digit in digits[1..7].iter_mut().rev() {
        *digit = b'0' + (microseconds % 10) as u8;
        microseconds /= 10;
    }
    out.extend_from_slice(&digits);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    proptest! {
        #[test]
        fn a_time_is_written_as_rfc_3339(seconds in 0u64..250_000_000_000, microseconds in 0u32..1_000_000) {
            let mut text = Vec::new();
            write_time(&mut text, UNIX_EPOCH + Duration::new(seconds, microseconds * 1_000));
            let read: Timestamp = std::str::from_utf8(&text).unwrap().parse().unwrap();
            prop_assert_eq!(read, Timestamp::new(seconds as i64, (microseconds * 1_000) as i32).unwrap());
            prop_assert_eq!(text.len(), "2026-11-24T10:00:00.123456Z".len());
        }
    }
}
