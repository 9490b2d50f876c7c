//! Patterns and texts prepared for each other, so that a request meets all rules in little time.

use crate::rule::{Client, wildcard};

/// Whether the pattern matches the text, without preparing either: the definition, to which [`Pattern`] gives the same
/// answers faster.
fn matches_pattern(pattern: &str, text: &str) -> bool {
    wildcard::matches(pattern, text, Client::XRaySdk)
}

/// Longer texts are matched by [`wildcard::matches`].
const MAX_FOLDED: usize = 256;

/// A text prepared to be matched with many patterns: folded to lower case, on the stack.
pub(super) struct Folded<'a> {
    original: &'a str,
    bytes: [u8; MAX_FOLDED],
    /// Length, or `None` if the text is too long or not ASCII.
    len: Option<usize>,
    head: u64,
}

impl<'a> Folded<'a> {
    pub(super) fn new(original: &'a str) -> Self {
        let mut folded = Self {
            original,
            bytes: [0; MAX_FOLDED],
            len: None,
            head: 0,
        };
        let len = original.len();
        if len <= MAX_FOLDED && original.is_ascii() {
            for (to, from) in folded.bytes.iter_mut().zip(original.as_bytes()) {
                *to = from.to_ascii_lowercase();
            }
            folded.len = Some(len);
            folded.head = first_eight(&folded.bytes);
        }
        folded
    }
}

/// A pattern prepared to be matched with many texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    original: Box<str>,
    /// The literals between the stars, in lower case; one literal if there is no star.
    literals: Box<[Literal]>,
    /// The first eight bytes of the first literal and which of their bits count: most texts fail here.
    head: u64,
    head_mask: u64,
    min_len: usize,
    is_ascii: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Literal {
    bytes: Box<[u8]>,
    has_question_mark: bool,
}

impl Pattern {
    pub(super) fn new(original: &str) -> Self {
        let literals: Box<[Literal]> = original
            .split('*')
            .map(|literal| Literal {
                bytes: literal.to_ascii_lowercase().into_bytes().into(),
                has_question_mark: literal.contains('?'),
            })
            .collect();
        let (mut head, mut head_mask) = ([0; 8], [0; 8]);
        for (n, byte) in literals[0].bytes.iter().take(8).enumerate() {
            if *byte != b'?' {
                (head[n], head_mask[n]) = (*byte, 0xff);
            }
        }
        Self {
            min_len: literals.iter().map(|literal| literal.bytes.len()).sum(),
            head: u64::from_le_bytes(head),
            head_mask: u64::from_le_bytes(head_mask),
            is_ascii: original.is_ascii(),
            original: original.into(),
            literals,
        }
    }

    /// True for `*`, `**`, …
    pub(super) fn matches_everything(&self) -> bool {
        self.literals.len() > 1 && self.min_len == 0
    }

    #[inline]
    pub(super) fn matches(&self, text: &Folded<'_>) -> bool {
        let Some(len) = text.len.filter(|_| self.is_ascii) else {
            return matches_pattern(&self.original, text.original);
        };
        if len < self.min_len || (text.head ^ self.head) & self.head_mask != 0 {
            return false;
        }
        self.matches_ascii(&text.bytes[..len])
    }

    /// First and last literal stand at the ends; those between are taken where they first occur.
    fn matches_ascii(&self, text: &[u8]) -> bool {
        let (first, rest) = self
            .literals
            .split_first()
            .expect("split gives at least one literal");
        let Some((last, middle)) = rest.split_last() else {
            return text.len() == first.bytes.len() && first.is_at(text, 0);
        };
        let mut from = first.bytes.len();
        // The shortest match was checked: the ends do not overlap.
        let end = text.len() - last.bytes.len();
        if !first.is_at(text, 0) || !last.is_at(text, end) {
            return false;
        }
        for literal in middle {
            let Some(found) = (from..=end.saturating_sub(literal.bytes.len()))
                .find(|at| literal.is_at(text, *at))
            else {
                return false;
            };
            from = found + literal.bytes.len();
        }
        from <= end
    }
}

impl Literal {
    #[inline]
    fn is_at(&self, text: &[u8], at: usize) -> bool {
        let Some(text) = text.get(at..at + self.bytes.len()) else {
            return false;
        };
        if self.has_question_mark {
            self.bytes
                .iter()
                .zip(text)
                .all(|(p, t)| *p == b'?' || p == t)
        } else {
            *self.bytes == *text
        }
    }
}

fn first_eight(bytes: &[u8; MAX_FOLDED]) -> u64 {
    u64::from_le_bytes([
        bytes[0], bytes[1], bytes[2], bytes[3], bytes[4], bytes[5], bytes[6], bytes[7],
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn both(pattern: &str, text: &str) -> bool {
        let fast = Pattern::new(pattern).matches(&Folded::new(text));
        assert_eq!(fast, matches_pattern(pattern, text), "{pattern} {text}");
        fast
    }

    #[test]
    fn wildcards_match_as_in_the_sdks() {
        for (pattern, text, matches) in [
            ("*", "", true),
            ("*", "anything", true),
            ("", "", true),
            ("", "a", false),
            ("GET", "get", true),
            ("GET", "GETS", false),
            ("G?T", "GOT", true),
            ("G?T", "GT", false),
            ("?", "é", true),
            ("??", "é", false),
            ("*4567-demo.example.test*", "4567-demo.example.test", true),
            ("/api/*/home", "/api/activities/home", true),
            ("/api/*/home", "/api/home", false),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "abcb", false),
            ("ab*ba", "aba", false),
            ("*aa*aa*", "aaa", false),
            ("*?", "", false),
            ("É*", "école", true),
            ("/a/*", "/A/é", true),
        ] {
            assert_eq!(both(pattern, text), matches, "{pattern} {text}");
        }
        let long = "a".repeat(300);
        assert!(both("a*A", &long) && !both("*b", &long));
    }

    proptest! {
        #[test]
        fn a_prepared_pattern_gives_the_same_answers(pattern in "[abAé?*]{0,12}", text in "[abABé]{0,12}") {
            both(&pattern, &text);
        }

        #[test]
        fn a_text_matches_patterns_made_from_it(text in "[a-z/]{0,30}", holes in proptest::collection::vec((0usize..30, any::<bool>()), 0..4)) {
            let mut pattern: Vec<char> = text.chars().collect();
            for (at, star) in holes {
                if let Some(c) = pattern.get_mut(at) {
                    *c = if star { '*' } else { '?' };
                }
            }
            prop_assert!(both(&pattern.into_iter().collect::<String>(), &text));
        }
    }
}
