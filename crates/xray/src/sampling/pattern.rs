//! Patterns prepared for matching: what can be said of a pattern once is not found out for every request.

use crate::rule::{Client, wildcard};

/// Whether the pattern matches the text, without preparing it: the definition, to which [`Pattern`] gives the same answers
/// faster.
fn matches_pattern(pattern: &str, text: &str) -> bool {
    wildcard::matches(pattern, text, Client::XRaySdk)
}

/// A bit for each ASCII character; letters have one for both cases, and a few seldom ones share theirs.
const BITS: [u64; 128] = {
    let mut bits = [0; 128];
    let mut c = 0;
    while c < 128 {
        let folded = (c as u8).to_ascii_lowercase();
        let bit = match folded {
            b'a'..=b'z' => folded - b'a',
            b'0'..=b'9' => 26 + folded - b'0',
            b'-' => 36,
            b'.' => 37,
            b'/' => 38,
            b'_' => 39,
            b':' => 40,
            _ => 41 + folded % 23,
        };
        bits[c] = 1 << bit;
        c += 1;
    }
    bits
};

/// The characters that occur in a text, as bits; all of them if it is not ASCII, where case is another matter.
#[inline]
pub(super) fn characters_of(text: &str) -> u64 {
    let mut found = 0;
    let mut all = 0;
    for byte in text.bytes() {
        found |= BITS[usize::from(byte & 0x7f)];
        all |= byte;
    }
    if all < 0x80 { found } else { u64::MAX }
}

/// A pattern prepared to be matched with many texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    original: Box<str>,
    /// The literals between the stars, in lower case; one literal if there is no star.
    literals: Box<[Literal]>,
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
        Self {
            min_len: literals.iter().map(|literal| literal.bytes.len()).sum(),
            is_ascii: original.is_ascii(),
            original: original.into(),
            literals,
        }
    }

    /// True for `*`, `**`, …
    pub(super) fn matches_everything(&self) -> bool {
        self.literals.len() > 1 && self.min_len == 0
    }

    /// The characters that every text has that the pattern matches, as [`characters_of`] finds them.
    pub(super) fn characters(&self) -> u64 {
        let literal = |c: &char| !matches!(c, '*' | '?');
        let literals: String = self.original.chars().filter(literal).collect();
        if self.is_ascii {
            characters_of(&literals)
        } else {
            0
        }
    }

    #[inline]
    pub(super) fn matches(&self, text: &str) -> bool {
        if !self.is_ascii || !text.is_ascii() {
            return matches_pattern(&self.original, text);
        }
        text.len() >= self.min_len && self.matches_ascii(text.as_bytes())
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
            let Some(found) = literal.find(&text[..end], from) else {
                return false;
            };
            from = found + literal.bytes.len();
        }
        from <= end
    }
}

impl Literal {
    /// Where it first occurs in `text` at `from` or later.
    fn find(&self, text: &[u8], from: usize) -> Option<usize> {
        let last = text.len().checked_sub(self.bytes.len())?;
        (from..=last).find(|at| self.is_at(text, *at))
    }

    #[inline]
    fn is_at(&self, text: &[u8], at: usize) -> bool {
        let Some(text) = text.get(at..at + self.bytes.len()) else {
            return false;
        };
        let is_same = |(p, t): (&u8, &u8)| *p == t.to_ascii_lowercase();
        if self.has_question_mark {
            let mut pairs = self.bytes.iter().zip(text);
            pairs.all(|(p, t)| *p == b'?' || is_same((p, t)))
        } else {
            // The first character decides most often.
            self.bytes.iter().zip(text).all(is_same)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn both(pattern: &str, text: &str) -> bool {
        let prepared = Pattern::new(pattern);
        let fast = prepared.matches(text);
        assert_eq!(fast, matches_pattern(pattern, text), "{pattern} {text}");
        let lacks = prepared.characters() & !characters_of(text);
        assert!(!fast || lacks == 0, "{pattern} {text}: {lacks:x}");
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
