//! Packed bodies: AWS unpacks what a client sends with `Content-Encoding: gzip`.

use std::borrow::Cow;
use std::io::Read;

use flate2::read::MultiGzDecoder;

use crate::server::MAX_BODY;

/// The body as it was before packing; `None` if it is none, or too large unpacked.
pub(super) fn unpack<'a>(encoding: Option<&str>, body: &'a [u8]) -> Option<Cow<'a, [u8]>> {
    if !encoding.is_some_and(|encoding| encoding.eq_ignore_ascii_case("gzip")) {
        return Some(Cow::Borrowed(body));
    }
    let mut unpacked = Vec::new();
    let limit = MAX_BODY as u64 + 1;
    match MultiGzDecoder::new(body)
        .take(limit)
        .read_to_end(&mut unpacked)
    {
        Ok(length) if length <= MAX_BODY => Some(Cow::Owned(unpacked)),
        _ => None,
    }
}
