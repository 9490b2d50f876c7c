//! Names of segments and subsegments: X-Ray's characters and its length.

use std::borrow::Cow;

/// The longest name, in characters.
pub const MAX_NAME_CHARS: usize = 200;

/// `name` without the characters that X-Ray refuses, cut to [`MAX_NAME_CHARS`]. A name of nothing else becomes
/// `unnamed`: X-Ray takes no document without a name.
#[must_use]
pub fn clean_name(name: &str) -> Cow<'_, str> {
    let fits = name.len() <= MAX_NAME_CHARS || name.chars().count() <= MAX_NAME_CHARS;
    if fits && !name.is_empty() && name.chars().all(is_allowed) {
        return Cow::Borrowed(name);
    }
    let cleaned: String = name
        .chars()
        .filter(|c| is_allowed(*c))
        .take(MAX_NAME_CHARS)
        .collect();
    if cleaned.trim().is_empty() {
        Cow::Borrowed("unnamed")
    } else {
        Cow::Owned(cleaned)
    }
}

/// "Unicode letters, numbers, and whitespace, and the following symbols: `_ . : / % & # = + \ - @`".
fn is_allowed(c: char) -> bool {
    c.is_alphanumeric() || c == ' ' || "_.:/%&#=+\\-@".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn refused_characters_go_and_allowed_ones_stay() {
        for (name, cleaned) in [
            ("backend-flask", "backend-flask"),
            (
                "a_b.c:d/e%f&g#h=i+j\\k-l@m 9é",
                "a_b.c:d/e%f&g#h=i+j\\k-l@m 9é",
            ),
            ("GET /api/@{handle}", "GET /api/@handle"),
            ("a?b;c*d(e)f!g$h~i^j<k>l", "abcdefghijkl"),
            ("tab\tline\n", "tabline"),
            ("***", "unnamed"),
            ("", "unnamed"),
        ] {
            assert_eq!(clean_name(name), cleaned);
        }
        assert_eq!(clean_name(&"é".repeat(300)).chars().count(), MAX_NAME_CHARS);
    }

    proptest! {
        #[test]
        fn a_cleaned_name_is_valid_and_stays(name in ".{0,260}") {
            let cleaned = clean_name(&name);
            prop_assert!(!cleaned.is_empty() && cleaned.chars().count() <= MAX_NAME_CHARS);
            prop_assert!(cleaned.chars().all(is_allowed));
            let again = clean_name(&cleaned).into_owned();
            prop_assert_eq!(again, cleaned);
        }
    }
}
