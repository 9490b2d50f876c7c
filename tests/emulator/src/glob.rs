//! Patterns over operation names, such as `logs.*`: `*` is any run of characters.

/// Whether `text` matches `pattern`.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(head) = parts.next() else {
        return false;
    };
    let Some(mut rest) = text.strip_prefix(head) else {
        return false;
    };
    let mut parts: Vec<&str> = parts.collect();
    let Some(tail) = parts.pop() else {
        return rest.is_empty();
    };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(tail)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_star_is_any_run_and_everything_else_is_itself() {
        for (pattern, text, expected) in [
            ("*", "logs.CreateLogGroup", true),
            ("logs.*", "logs.CreateLogGroup", true),
            ("logs.*", "xray.CreateGroup", false),
            ("*.Create*", "xray.CreateGroup", true),
            ("*.Create*", "xray.GetGroup", false),
            ("*Group", "xray.CreateGroup", true),
            ("*Group", "xray.GetGroups", false),
            ("xray.*Group*", "xray.GetGroups", true),
            ("xray.GetGroups", "xray.GetGroups", true),
            ("xray.GetGroup", "xray.GetGroups", false),
            ("a*a", "a", false),
            ("", "a", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} on {text}");
        }
    }
}
