//! The tracing header `X-Amzn-Trace-Id: Root=…;Parent=…;Sampled=…` with whatever else it carries.
//!
//! Source: [X-Ray developer guide, "Tracing header"](https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader).

use crate::id::{SegmentId, TraceId};
use std::fmt;

/// The header's name, in the spelling HTTP/2 asks for.
pub const NAME: &str = "x-amzn-trace-id";

/// Longer headers are treated as malformed: what is kept of a header is sent on with every outgoing request.
pub const MAX_BYTES: usize = 2_048;

/// What a header says about the sampling decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sampled {
    /// `0`: the caller decided not to trace.
    No,
    /// `1`: the caller decided to trace.
    Yes,
    /// `?`: the caller asks; the answer belongs into the response's header.
    Ask,
}

/// Why a header is ignored as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MalformedHeader {
    /// A part is not `key=value`.
    #[error("each part between semicolons must be key=value")]
    NotKeyValue,
    /// The header is longer than [`MAX_BYTES`].
    #[error("it is longer than {MAX_BYTES} bytes")]
    TooLong,
}

/// A tracing header in parts. `Display` writes it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TraceHeader {
    /// The trace's id. A text that is no id counts as absent: there is no trace to continue.
    pub root: Option<TraceId>,
    /// The caller's segment or subsegment.
    pub parent: Option<SegmentId>,
    /// The caller's decision.
    pub sampled: Option<Sampled>,
    /// All other keys, `key=value` joined by semicolons, in the order they came in. `Self`, which load balancers
    /// add for themselves, is not among them.
    pub data: String,
}

impl TraceHeader {
    /// Reads a header as the X-Ray SDKs do: unknown keys are kept, `Self` is dropped, and an unknown value of `Sampled`
    /// is no decision.
    ///
    /// # Errors
    /// [`MalformedHeader`]; the caller then goes on as if there were no header.
    pub fn parse(text: &str) -> Result<Self, MalformedHeader> {
        if text.len() > MAX_BYTES {
            return Err(MalformedHeader::TooLong);
        }
        let mut header = Self::default();
        for part in text
            .split(';')
            .map(str::trim)
            .filter(|part| !part.is_empty())
        {
            let (key, value) = part.split_once('=').ok_or(MalformedHeader::NotKeyValue)?;
            match key {
                "Root" => header.root = value.parse().ok(),
                "Parent" => header.parent = value.parse().ok(),
                "Sampled" => {
                    header.sampled = match value {
                        "0" => Some(Sampled::No),
                        "1" => Some(Sampled::Yes),
                        "?" => Some(Sampled::Ask),
                        _ => None,
                    }
                }
                "Self" => {}
                _ if part.bytes().all(|byte| (0x20..0x7f).contains(&byte)) => {
                    if !header.data.is_empty() {
                        header.data.push(';');
                    }
                    header.data.push_str(part);
                }
                // What is not printable ASCII cannot be sent on in a header.
                _ => {}
            }
        }
        Ok(header)
    }
}

impl fmt::Display for TraceHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        if let Some(root) = self.root {
            write!(f, "Root={root}")?;
            separator = ";";
        }
        if let Some(parent) = self.parent {
            write!(f, "{separator}Parent={parent}")?;
            separator = ";";
        }
        if let Some(sampled) = self.sampled {
            let value = match sampled {
                Sampled::No => '0',
                Sampled::Yes => '1',
                Sampled::Ask => '?',
            };
            write!(f, "{separator}Sampled={value}")?;
            separator = ";";
        }
        if !self.data.is_empty() {
            write!(f, "{separator}{}", self.data)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ROOT: &str = "1-5759e988-bd862e3fe1be46a994272793";

    #[test]
    fn all_parts_are_read_and_written_in_order() {
        let text = "Sampled=1;Self=1-00000001-abcdefabcdefabcdefabcdef; Parent=53995c3f42cd8ad8 ;Lineage=a:1|b:2;Root=1-5759e988-bd862e3fe1be46a994272793;k=v=w";
        let header = TraceHeader::parse(text).unwrap();
        assert_eq!(header.root, ROOT.parse().ok());
        assert_eq!(header.parent, "53995c3f42cd8ad8".parse().ok());
        assert_eq!(header.sampled, Some(Sampled::Yes));
        assert_eq!(header.data, "Lineage=a:1|b:2;k=v=w");
        assert_eq!(
            header.to_string(),
            format!("Root={ROOT};Parent=53995c3f42cd8ad8;Sampled=1;Lineage=a:1|b:2;k=v=w")
        );
    }

    #[test]
    fn the_decision_is_yes_no_ask_or_none() {
        for (value, sampled) in [
            ("0", Some(Sampled::No)),
            ("1", Some(Sampled::Yes)),
            ("?", Some(Sampled::Ask)),
            ("", None),
            ("true", None),
        ] {
            let header = TraceHeader::parse(&format!("Sampled={value}")).unwrap();
            assert_eq!(header.sampled, sampled, "{value}");
        }
    }

    #[test]
    fn a_malformed_header_is_refused_and_a_bad_id_is_absent() {
        assert_eq!(
            TraceHeader::parse("Root"),
            Err(MalformedHeader::NotKeyValue)
        );
        assert_eq!(
            TraceHeader::parse(&format!("a={}", "x".repeat(MAX_BYTES))),
            Err(MalformedHeader::TooLong)
        );
        assert_eq!(TraceHeader::parse(""), Ok(TraceHeader::default()));
        let header = TraceHeader::parse("Root=nonsense;Parent=1;Sampled=0;é=1").unwrap();
        assert_eq!(
            header,
            TraceHeader {
                sampled: Some(Sampled::No),
                ..TraceHeader::default()
            }
        );
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(
            root in proptest::option::of(1u128..),
            parent in proptest::option::of(1u64..),
            sampled in proptest::option::of(proptest::sample::select(vec![Sampled::No, Sampled::Yes, Sampled::Ask])),
            data in proptest::collection::vec("[A-Za-z]{1,8}[0-9]=[!-:<-~]{0,12}", 0..5),
        ) {
            let header = TraceHeader {
                root: root.map(|root| TraceId::from_bytes(root.to_be_bytes()).unwrap()),
                parent: parent.map(|parent| SegmentId::from_bytes(parent.to_be_bytes()).unwrap()),
                sampled,
                data: data.join(";"),
            };
            prop_assert_eq!(TraceHeader::parse(&header.to_string()), Ok(header));
        }

        #[test]
        fn any_text_is_answered(text in "(Root|Parent|Sampled|Self|[ -~é;=]{0,8})?[=;]?.{0,60}") {
            if let Ok(header) = TraceHeader::parse(&text) {
                prop_assert!(header.to_string().is_ascii());
                prop_assert!(header.data.len() <= text.len());
            }
        }
    }
}
