//! How literals are written into a variable: percent-encoding of list values, and escaping of what Kubernetes would
//! expand.

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

/// What is percent-encoded in a value of OTEL_RESOURCE_ATTRIBUTES or OTEL_EXPORTER_OTLP_HEADERS: all but the
/// `baggage-octet`s of W3C Baggage, and of those `%`, which starts an encoding, and `=`, which the OpenTelemetry
/// specification ("Resource SDK", "Specifying resource information via an environment variable") wants encoded.
const ENCODED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'%')
    .add(b',')
    .add(b';')
    .add(b'=')
    .add(b'\\');

/// A value of a `key=value` list, percent-encoded and then escaped.
pub(super) fn list_value(text: &str) -> String {
    escape(&utf8_percent_encode(text, ENCODED).to_string())
}

/// A text that Kubernetes expands to the given one.
///
/// Kubernetes replaces `$(NAME)` in a value and reads `$$` as one `$`, wherever it stands (API reference, EnvVar;
/// `k8s.io/kubernetes/third_party/forked/golang/expansion`). So a run of `$` is doubled where it is longer than one
/// or comes before `(`; a single `$` elsewhere stands for itself.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('$') {
        let after = rest[start..].trim_start_matches('$');
        let run = &rest[start..rest.len() - after.len()];
        escaped.push_str(&rest[..start]);
        escaped.push_str(run);
        if run.len() > 1 || after.starts_with('(') {
            escaped.push_str(run);
        }
        rest = after;
    }
    escaped.push_str(rest);
    escaped
}

/// Names that a value refers to as `$(NAME)`, in order. Escaped references are none.
#[must_use]
pub fn references(value: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let mut rest = value;
    while let Some(start) = rest.find('$') {
        rest = &rest[start + 1..];
        if let Some(escaped) = rest.strip_prefix('$') {
            rest = escaped;
        } else if let Some(opened) = rest.strip_prefix('(')
            && let Some((name, after)) = opened.split_once(')')
        {
            names.push(name);
            rest = after;
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use percent_encoding::percent_decode_str;
    use proptest::prelude::*;

    /// The kubelet's expansion, with every variable's value being its name in angle brackets.
    fn expand(input: &str) -> String {
        let mut output = String::new();
        let mut rest = input;
        while let Some(start) = rest.find('$') {
            output.push_str(&rest[..start]);
            rest = &rest[start + 1..];
            if let Some(after) = rest.strip_prefix('$') {
                output.push('$');
                rest = after;
            } else if let Some((name, after)) = rest
                .strip_prefix('(')
                .and_then(|opened| opened.split_once(')'))
            {
                output.push_str(&format!("<{name}>"));
                rest = after;
            } else {
                output.push('$');
            }
        }
        output + rest
    }

    #[test]
    fn what_kubernetes_would_expand_is_escaped_and_nothing_else() {
        for (text, escaped) in [
            ("$(HOME)", "$$(HOME)"),
            ("a$(", "a$$("),
            ("$$", "$$$$"),
            ("$$(A)", "$$$$(A)"),
            ("pa$word", "pa$word"),
            ("a$", "a$"),
            ("", ""),
        ] {
            assert_eq!(escape(text), escaped, "{text}");
        }
    }

    #[test]
    fn list_values_are_encoded_as_the_specification_says() {
        for (text, encoded) in [
            ("production", "production"),
            ("/aws/cruddur-log_group.1", "/aws/cruddur-log_group.1"),
            ("a,b=c;d", "a%2Cb%3Dc%3Bd"),
            ("100%", "100%25"),
            ("two words", "two%20words"),
            ("\"quoted\"\\", "%22quoted%22%5C"),
            ("zürich\n", "z%C3%BCrich%0A"),
            ("Basic dXNlcg==", "Basic%20dXNlcg%3D%3D"),
            ("$(HOME)", "$$(HOME)"),
        ] {
            assert_eq!(list_value(text), encoded, "{text}");
        }
    }

    #[test]
    fn references_are_found_where_kubernetes_expands() {
        for (value, names) in [
            ("", vec![]),
            ("$(A)", vec!["A"]),
            ("x=$(A),y=$(B)", vec!["A", "B"]),
            ("$$(A)", vec![]),
            ("$$$(A)", vec!["A"]),
            ("$(A", vec![]),
            ("$A", vec![]),
            ("$x$(A)", vec!["A"]),
        ] {
            assert_eq!(references(value), names, "{value}");
        }
    }

    proptest! {
        #[test]
        fn kubernetes_expands_an_escaped_text_to_the_text(text in "[$()a,é]{0,24}") {
            prop_assert_eq!(expand(&escape(&text)), text.clone());
            prop_assert!(references(&escape(&text)).is_empty());
        }

        #[test]
        fn a_list_value_decodes_to_the_text_and_splits_no_list(text in any::<String>()) {
            let expanded = expand(&list_value(&text));
            prop_assert!(!expanded.contains([',', '=', ';', ' ']));
            prop_assert!(expanded.is_ascii());
            prop_assert_eq!(percent_decode_str(&expanded).decode_utf8().expect("was UTF-8"), text);
        }
    }
}
