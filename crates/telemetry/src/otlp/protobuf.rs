//! The few forms of the protocol-buffer wire format that OTLP's trace messages are made of.
//!
//! Source: [Protocol Buffers, "Encoding"](https://protobuf.dev/programming-guides/encoding/).

/// A field's number, as the message's definition has it.
pub(super) type Field = u32;

const VARINT: u32 = 0;
const FIXED64: u32 = 1;
const LENGTH: u32 = 2;
const FIXED32: u32 = 5;

pub(super) fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn tag(out: &mut Vec<u8>, field: Field, form: u32) {
    varint(out, u64::from(field << 3 | form));
}

/// A number; zero is the default and not written.
pub(super) fn number(out: &mut Vec<u8>, field: Field, value: u64) {
    if value != 0 {
        tag(out, field, VARINT);
        varint(out, value);
    }
}

/// A number that is written even if it is zero, because the member is one of several.
pub(super) fn chosen_number(out: &mut Vec<u8>, field: Field, value: u64) {
    tag(out, field, VARINT);
    varint(out, value);
}

pub(super) fn fixed64(out: &mut Vec<u8>, field: Field, value: u64) {
    tag(out, field, FIXED64);
    out.extend_from_slice(&value.to_le_bytes());
}

pub(super) fn fixed32(out: &mut Vec<u8>, field: Field, value: u32) {
    tag(out, field, FIXED32);
    out.extend_from_slice(&value.to_le_bytes());
}

/// Bytes or a text; empty is the default and not written.
pub(super) fn bytes(out: &mut Vec<u8>, field: Field, value: &[u8]) {
    if !value.is_empty() {
        chosen_bytes(out, field, value);
    }
}

/// Bytes or a text that is written even if it is empty, because the member is one of several.
pub(super) fn chosen_bytes(out: &mut Vec<u8>, field: Field, value: &[u8]) {
    tag(out, field, LENGTH);
    varint(out, value.len() as u64);
    out.extend_from_slice(value);
}

/// The beginning of a member of `length` bytes, which the caller writes.
pub(super) fn length(out: &mut Vec<u8>, field: Field, length: usize) {
    tag(out, field, LENGTH);
    varint(out, length as u64);
}

/// A message that `body` writes. Its length comes before it and is known after it, so the body is moved by a few bytes.
pub(super) fn message(out: &mut Vec<u8>, field: Field, body: impl FnOnce(&mut Vec<u8>)) {
    tag(out, field, LENGTH);
    let start = out.len();
    out.push(0);
    body(out);
    let length = out.len() - start - 1;
    if length < 0x80 {
        out[start] = length as u8;
        return;
    }
    let mut prefix = Vec::with_capacity(5);
    varint(&mut prefix, length as u64);
    out.splice(start..=start, prefix);
}

/// The members of a message, one by one; ends at the first that is no valid member.
pub(super) struct Members<'a>(pub(super) &'a [u8]);

/// A member's content; the fixed forms are skipped.
#[derive(Debug, PartialEq)]
pub(super) enum Content<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    Fixed,
}

impl Members<'_> {
    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = (Field, Content<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let tag = u32::try_from(self.varint()?).ok()?;
        let content = match tag & 7 {
            VARINT => Content::Number(self.varint()?),
            LENGTH => {
                let length = usize::try_from(self.varint()?).ok()?;
                let (bytes, rest) = self.0.split_at_checked(length)?;
                self.0 = rest;
                Content::Bytes(bytes)
            }
            form @ (FIXED64 | FIXED32) => {
                self.0 = self.0.get(if form == FIXED64 { 8 } else { 4 }..)?;
                Content::Fixed
            }
            _ => return None,
        };
        Some((tag >> 3, content))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn members_read_back(number in 1u64.., text in proptest::collection::vec(any::<u8>(), 1..400), fixed: u64) {
            let mut out = Vec::new();
            super::number(&mut out, 1, number);
            fixed64(&mut out, 2, fixed);
            message(&mut out, 300, |out| bytes(out, 4, &text));
            let members: Vec<_> = Members(&out).collect();
            let [(1, Content::Number(n)), (2, Content::Fixed), (300, Content::Bytes(inner))] = members[..] else {
                return Err(TestCaseError::fail(format!("{members:?}")));
            };
            prop_assert_eq!(n, number);
            prop_assert_eq!(Members(inner).collect::<Vec<_>>(), vec![(4, Content::Bytes(&text[..]))]);
        }

        #[test]
        fn any_bytes_end(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            prop_assert!(Members(&bytes).count() <= bytes.len());
        }
    }
}
