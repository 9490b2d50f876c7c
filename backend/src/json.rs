//! JSON as Flask writes it: compact, sorted keys, ASCII only, a line feed at the end.
//!
//! The keys are sorted because the types declare their members in that order.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, Serializer};
use std::io::{self, Write};

/// The answer with `value` as its body.
pub(crate) fn answer(status: StatusCode, value: &impl Serialize) -> HttpResponse {
    let mut body = Vec::with_capacity(1_024);
    let serialized = value.serialize(&mut Serializer::with_formatter(&mut body, Ascii));
    serialized.expect("texts, numbers, lists and maps with text keys are always JSON");
    body.push(b'\n');
    HttpResponse::build(status)
        .content_type("application/json")
        .body(body)
}

/// The answer to a request that fails its checks: the code of the last failing one in an array.
pub(crate) fn refusal(code: &str) -> HttpResponse {
    answer(StatusCode::UNPROCESSABLE_ENTITY, &[code])
}

/// The compact form with everything but printable ASCII escaped; serde_json has escaped the controls up to 0x1f before.
struct Ascii;

impl Formatter for Ascii {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let is_printable = |c: char| (' '..='~').contains(&c);
        if fragment.chars().all(is_printable) {
            return CompactFormatter.write_string_fragment(writer, fragment);
        }
        let mut units = [0; 2];
        for c in fragment.chars() {
            if is_printable(c) {
                writer.write_all(&[c as u8])?;
            } else {
                for unit in c.encode_utf16(&mut units) {
                    write!(writer, "\\u{unit:04x}")?;
                }
            }
        }
        Ok(())
    }
}
