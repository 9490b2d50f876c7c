//! The keywords and operators of filter expressions, where each makes sense, and what a misspelt one was meant to be.

use std::fmt;

/// Declares an enum whose variants are words of the language. Words are compared without regard to case.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$variant_meta])* $variant,)+
        }

        impl $name {
            /// All of them, in the order of AWS's documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The word in its canonical form.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }

            /// Finds the word, whatever its case.
            #[must_use]
            pub fn find(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|known| known.as_str().eq_ignore_ascii_case(word))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words! {
    /// Keywords that are true or false.
    BooleanKeyword {
        /// The response status was 2XX.
        Ok = "ok",
        /// The response status was 4XX.
        Error = "error",
        /// The response status was 429.
        Throttle = "throttle",
        /// The response status was 5XX.
        Fault = "fault",
        /// The request has incomplete segments.
        Partial = "partial",
        /// The request has inferred segments.
        Inferred = "inferred",
        /// The element is the first of an enumerated list; for root causes.
        First = "first",
        /// The element is the last of an enumerated list; for root causes.
        Last = "last",
        /// The root cause entity is remote.
        Remote = "remote",
        /// The service is the entry point of the trace; for services and edges.
        Root = "root",
    }
}

words! {
    /// Keywords whose value is a number.
    NumberKeyword {
        /// Seconds that the server took to send a response.
        ResponseTime = "responsetime",
        /// Seconds that the request took, with all downstream calls.
        Duration = "duration",
        /// Status code of the response.
        HttpStatus = "http.status",
        /// Position of an element in an enumerated list; for root causes.
        Index = "index",
        /// Share, from 0 to 1, of an entity's response time in the root segment's; for response time root causes.
        Coverage = "coverage",
    }
}

words! {
    /// Keywords whose value is text.
    StringKeyword {
        /// URL of the request.
        HttpUrl = "http.url",
        /// Method of the request.
        HttpMethod = "http.method",
        /// User agent of the request.
        HttpUserAgent = "http.useragent",
        /// Address of the client.
        HttpClientIp = "http.clientip",
        /// The user field of any segment of the trace.
        User = "user",
        /// Name of a service or exception; for services, edges and root causes.
        Name = "name",
        /// Type of a service; for services, edges and root causes.
        Type = "type",
        /// Message of an exception; for root causes.
        Message = "message",
        /// The availability zone field of any segment of the trace.
        AvailabilityZone = "availabilityzone",
        /// The instance ID field of any segment of the trace.
        InstanceId = "instance.id",
        /// The resource ARN field of any segment of the trace.
        ResourceArn = "resource.arn",
    }
}

words! {
    /// How an expression refers to a group.
    GroupKeyword {
        /// By name.
        Name = "group.name",
        /// By ARN.
        Arn = "group.arn",
    }
}

words! {
    /// What a root cause is the cause of.
    RootCauseKind {
        /// A fault.
        Fault = "fault",
        /// A long response time.
        ResponseTime = "responsetime",
        /// An error. AWS documents the other two; this one stands in its API's `ErrorRootCause`.
        Error = "error",
    }
}

words! {
    /// The element of a root cause that a filter looks at.
    RootCauseElement {
        /// A service on the path.
        Service = "service",
        /// A subsegment on the path.
        Entity = "entity",
        /// An exception.
        Exception = "exception",
    }
}

words! {
    /// Operators between a keyword and `true` or `false`.
    Equality {
        /// Equal.
        Equal = "=",
        /// Not equal.
        NotEqual = "!=",
    }
}

words! {
    /// Operators between a keyword and a number.
    NumberOperator {
        /// Equal.
        Equal = "=",
        /// Not equal.
        NotEqual = "!=",
        /// Less.
        Less = "<",
        /// Less or equal.
        LessOrEqual = "<=",
        /// Greater.
        Greater = ">",
        /// Greater or equal.
        GreaterOrEqual = ">=",
    }
}

words! {
    /// Operators between a keyword and a string.
    StringOperator {
        /// Equal.
        Equal = "=",
        /// Not equal.
        NotEqual = "!=",
        /// Contains it.
        Contains = "CONTAINS",
        /// Begins with it.
        BeginsWith = "BEGINSWITH",
        /// Ends with it.
        EndsWith = "ENDSWITH",
    }
}

/// The part of an expression that a keyword stands in; the innermost braces decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Outside of braces.
    Trace,
    /// In the braces of `service` or `edge`.
    Node,
    /// In the braces of `rootcause`.
    RootCause,
}

/// Says where a keyword belongs if it has no meaning at `place`.
pub(super) fn misplaced(keyword: &str, place: Place) -> Option<&'static str> {
    const ROOT_CAUSE: &str = "the braces of a `rootcause` keyword";
    const NODE: &str = "the braces of `service` or `edge`";
    const EITHER: &str = "the braces of `service`, `edge` or a `rootcause` keyword";
    let (belongs, fits) = match keyword {
        "first" | "last" | "remote" | "index" | "coverage" | "message" => {
            (ROOT_CAUSE, place == Place::RootCause)
        }
        "root" => (NODE, place == Place::Node),
        "name" | "type" => (EITHER, place != Place::Trace),
        _ => return None,
    };
    (!fits).then_some(belongs)
}

/// Keywords that are not in one of the lists above, as they would be written.
const COMPLEX: &[&str] = &[
    "service()",
    "edge()",
    "annotation.key",
    "rootcause.fault.service",
    "rootcause.fault.entity",
    "rootcause.fault.exception",
    "rootcause.responsetime.service",
    "rootcause.responsetime.entity",
    "rootcause.error.service",
    "rootcause.error.entity",
    "rootcause.error.exception",
    "rootcause.json",
];

/// The known keyword that an unknown one was probably meant to be.
///
/// In this order: a word of other query languages with one meaning here; the same letters but for `_` and `-`; the last
/// part of a dotted keyword (`url` for `http.url`); at most two letters changed, dropped, added or swapped, and no more
/// than a third of the word.
pub(super) fn suggest(unknown: &str) -> Option<&'static str> {
    let plain = |word: &str| -> String {
        word.chars()
            .filter(|c| *c != '_' && *c != '-')
            .map(|c| c.to_ascii_lowercase())
            .collect()
    };
    let wanted = plain(unknown);
    match wanted.as_str() {
        "not" => return Some("!"),
        "latency" => return Some("responsetime"),
        _ => {}
    }
    let known = BooleanKeyword::ALL
        .iter()
        .map(|k| k.as_str())
        .chain(NumberKeyword::ALL.iter().map(|k| k.as_str()))
        .chain(StringKeyword::ALL.iter().map(|k| k.as_str()))
        .chain(GroupKeyword::ALL.iter().map(|k| k.as_str()))
        .chain(COMPLEX.iter().copied());
    known
        .filter_map(|candidate| {
            let bare = candidate.trim_end_matches("()");
            let bare = bare.strip_suffix(".key").unwrap_or(bare);
            let last = bare.rsplit('.').next().unwrap_or(bare);
            let distance = if wanted == bare.replace('.', "") || wanted == bare {
                0
            } else if wanted == last && last != bare {
                1
            } else {
                distance(&wanted, bare) + 1
            };
            let bound = (wanted.len() / 3).min(2) + 1;
            (distance <= bound).then_some((distance, candidate))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Changes, drops, additions and swaps of neighbours that turn `a` into `b` (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    // Longer than any keyword by more than the bound: the table would only cost time.
    const LONGEST: usize = 40;
    if a.len() > LONGEST {
        return usize::MAX - 1;
    }
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            rows[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let change = usize::from(a[i - 1] != b[j - 1]);
                let mut least = (rows[i - 1][j] + 1)
                    .min(rows[i][j - 1] + 1)
                    .min(rows[i - 1][j - 1] + change);
                if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                    least = least.min(rows[i - 2][j - 2] + 1);
                }
                least
            };
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_keyword_gets_the_nearest_known_one() {
        for (unknown, meant) in [
            ("response_time", Some("responsetime")),
            ("responsetme", Some("responsetime")),
            ("RESPONSETIEM", Some("responsetime")),
            ("latency", Some("responsetime")),
            ("url", Some("http.url")),
            ("status", Some("http.status")),
            ("http.code", None),
            ("httpstatus", Some("http.status")),
            ("falt", Some("fault")),
            ("errors", Some("error")),
            ("servcie", Some("service()")),
            ("annotations", Some("annotation.key")),
            ("rootcause.faults.service", Some("rootcause.fault.service")),
            ("not", Some("!")),
            ("kubernetes", None),
            ("x", None),
        ] {
            assert_eq!(suggest(unknown), meant, "{unknown}");
        }
    }

    #[test]
    fn distance_counts_a_swap_of_neighbours_once() {
        assert_eq!(distance("ab", "ba"), 1);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
