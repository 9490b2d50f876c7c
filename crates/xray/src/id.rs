//! Ids: one 16-byte trace id that serves W3C and X-Ray at once, and the 8-byte segment id.
//!
//! X-Ray reads the first four bytes of a trace id as the epoch second in which the trace began and writes it
//! `1-5759e988-bd862e3fe1be46a994272793`; W3C Trace Context writes the same bytes as 32 hexadecimal digits.
//! Source: [X-Ray developer guide, "Sending trace data"](https://docs.aws.amazon.com/xray/latest/devguide/xray-api-sendingdata.html).

use std::fmt;
use std::str::FromStr;

/// Why a text is not an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidId {
    /// The text has another shape than the id's.
    #[error(
        "a trace id is written 1-<8 hex digits>-<24 hex digits> or as 32 hex digits, a segment id as 16 hex digits"
    )]
    Shape,
    /// All bytes are zero, which W3C forbids and X-Ray SDKs use for "no trace".
    #[error("an id of zeros names nothing")]
    Zero,
}

/// A trace id, never all zeros. `Display` writes X-Ray's form, `{:x}` W3C's.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TraceId([u8; 16]);

impl TraceId {
    /// A new id for a trace that begins at `epoch_seconds`; `random` must come from a good source.
    #[must_use]
    pub fn new(epoch_seconds: u32, random: [u8; 12]) -> Self {
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&epoch_seconds.to_be_bytes());
        bytes[4..].copy_from_slice(&random);
        if bytes == [0; 16] {
            bytes[15] = 1;
        }
        Self(bytes)
    }

    /// The id with these bytes.
    ///
    /// # Errors
    /// [`InvalidId::Zero`] for sixteen zeros.
    pub fn from_bytes(bytes: [u8; 16]) -> Result<Self, InvalidId> {
        if bytes == [0; 16] {
            Err(InvalidId::Zero)
        } else {
            Ok(Self(bytes))
        }
    }

    /// The sixteen bytes, as W3C orders them.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 16] {
        self.0
    }

    /// The second, since 1970, in which the trace began, if the id was made for X-Ray.
    #[must_use]
    pub fn epoch_seconds(self) -> u32 {
        u32::from_be_bytes([self.0[0], self.0[1], self.0[2], self.0[3]])
    }
}

impl FromStr for TraceId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let text = text.as_bytes();
        let mut bytes = [0; 16];
        match text.len() {
            32 => decode(text, &mut bytes)?,
            35 if text[0] == b'1' && text[1] == b'-' && text[10] == b'-' => {
                decode(&text[2..10], &mut bytes[..4])?;
                decode(&text[11..], &mut bytes[4..])?;
            }
            _ => return Err(InvalidId::Shape),
        }
        Self::from_bytes(bytes)
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = *b"1-00000000-000000000000000000000000";
        encode(&self.0[..4], &mut text[2..10]);
        encode(&self.0[4..], &mut text[11..]);
        f.write_str(ascii(&text))
    }
}

impl fmt::LowerHex for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; 32];
        encode(&self.0, &mut text);
        f.write_str(ascii(&text))
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The id of a segment or subsegment, never all zeros: the span id of W3C Trace Context.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SegmentId([u8; 8]);

impl SegmentId {
    /// The id with these bytes.
    ///
    /// # Errors
    /// [`InvalidId::Zero`] for eight zeros.
    pub fn from_bytes(bytes: [u8; 8]) -> Result<Self, InvalidId> {
        if bytes == [0; 8] {
            Err(InvalidId::Zero)
        } else {
            Ok(Self(bytes))
        }
    }

    /// The eight bytes.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 8] {
        self.0
    }
}

impl FromStr for SegmentId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let mut bytes = [0; 8];
        if text.len() != 16 {
            return Err(InvalidId::Shape);
        }
        decode(text.as_bytes(), &mut bytes)?;
        Self::from_bytes(bytes)
    }
}

impl fmt::Display for SegmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; 16];
        encode(&self.0, &mut text);
        f.write_str(ascii(&text))
    }
}

impl fmt::Debug for SegmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Writes `bytes` as lower-case hexadecimal digits into `text`, which is twice as long.
fn encode(bytes: &[u8], text: &mut [u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
}

/// Reads hexadecimal digits of either case; `text` is twice as long as `bytes`.
fn decode(text: &[u8], bytes: &mut [u8]) -> Result<(), InvalidId> {
    let digit = |c: u8| (c as char).to_digit(16).ok_or(InvalidId::Shape);
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = (digit(pair[0])? << 4 | digit(pair[1])?) as u8;
    }
    Ok(())
}

fn ascii(text: &[u8]) -> &str {
    std::str::from_utf8(text).expect("hexadecimal digits and dashes are ASCII")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_id_has_two_spellings() {
        let id: TraceId = "1-5759e988-bd862e3fe1be46a994272793".parse().unwrap();
        assert_eq!(format!("{id:x}"), "5759e988bd862e3fe1be46a994272793");
        assert_eq!("5759e988bd862e3fe1be46a994272793".parse(), Ok(id));
        assert_eq!("5759E988BD862E3FE1BE46A994272793".parse(), Ok(id));
        assert_eq!(id.epoch_seconds(), 0x5759_e988);
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for (text, why) in [
            ("", InvalidId::Shape),
            ("1-5759e988-bd862e3fe1be46a99427279", InvalidId::Shape),
            ("2-5759e988-bd862e3fe1be46a994272793", InvalidId::Shape),
            ("1-5759e988bbd862e3fe1be46a994272793", InvalidId::Shape),
            ("1-5759e98g-bd862e3fe1be46a994272793", InvalidId::Shape),
            ("1-00000000-000000000000000000000000", InvalidId::Zero),
            ("00000000000000000000000000000000", InvalidId::Zero),
            ("é759e988bd862e3fe1be46a99427279", InvalidId::Shape),
        ] {
            assert_eq!(text.parse::<TraceId>(), Err(why), "{text}");
        }
        assert_eq!(
            "53995c3f42cd8ad".parse::<SegmentId>(),
            Err(InvalidId::Shape)
        );
        assert_eq!(
            "0000000000000000".parse::<SegmentId>(),
            Err(InvalidId::Zero)
        );
    }

    #[test]
    fn a_new_id_is_never_zero() {
        assert_eq!(TraceId::new(0, [0; 12]).to_bytes()[15], 1);
    }

    proptest! {
        #[test]
        fn both_spellings_read_back(seconds: u32, random: [u8; 12], segment in 1u64..) {
            let id = TraceId::new(seconds, random);
            prop_assert_eq!(id.to_string().parse(), Ok(id));
            prop_assert_eq!(format!("{id:x}").parse(), Ok(id));
            let segment = SegmentId::from_bytes(segment.to_be_bytes()).unwrap();
            prop_assert_eq!(segment.to_string().parse(), Ok(segment));
        }

        #[test]
        fn any_text_is_answered(text in ".{0,40}") {
            let _ = text.parse::<TraceId>();
            let _ = text.parse::<SegmentId>();
        }
    }
}
