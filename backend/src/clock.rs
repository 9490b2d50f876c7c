//! Times as Python's `isoformat` writes them: microseconds only where there are any.

use jiff::fmt::temporal::DateTimePrinter;
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};

const SECONDS: DateTimePrinter = DateTimePrinter::new().precision(Some(0));
const MICROSECONDS: DateTimePrinter = DateTimePrinter::new().precision(Some(6));

/// The moment a request is answered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment(Timestamp);

impl Moment {
    pub(crate) fn now() -> Self {
        Self(Timestamp::now())
    }

    pub(crate) fn plus(self, hours: i64) -> Self {
        // The data reaches a month around now; jiff's range ends in the year 9999.
        Self(
            self.0
                .saturating_add(SignedDuration::from_hours(hours))
                .unwrap_or(self.0),
        )
    }

    /// With the offset, which is always UTC's.
    pub(crate) fn text(self) -> String {
        self.naive_text() + "+00:00"
    }

    /// Without an offset: the original's user activities are naive.
    pub(crate) fn naive_text(self) -> String {
        let printer = if self.0.subsec_microsecond() == 0 && self.0.subsec_millisecond() == 0 {
            SECONDS
        } else {
            MICROSECONDS
        };
        printer.datetime_to_string(&Offset::UTC.to_datetime(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn microseconds_are_written_where_there_are_any() {
        let moment = |text: &str| Moment(text.parse().unwrap());
        assert_eq!(
            moment("2026-11-24T10:00:00.000120999Z").text(),
            "2026-11-24T10:00:00.000120+00:00"
        );
        assert_eq!(
            moment("2026-11-24T10:00:00Z").text(),
            "2026-11-24T10:00:00+00:00"
        );
        assert_eq!(
            moment("2026-11-24T10:00:00.000000999Z").naive_text(),
            "2026-11-24T10:00:00"
        );
        assert_eq!(
            moment("2026-11-24T10:00:00.5Z").plus(-48).naive_text(),
            "2026-11-22T10:00:00.500000"
        );
    }
}
