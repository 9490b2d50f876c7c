//! What the API server says to the `metadata` of any object. (k8s.io/apimachinery `api/validation/objectmeta.go`,
//! `api/validate/content`.)

use serde_json::{Map, Value};
use tracewright_core::field::FieldPath;

use super::validate::{Check, Violation};

const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const NAME_PART: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const LABEL_KEY: &str = "a valid label key must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')";
const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

/// The longest DNS name.
const MAX_SUBDOMAIN: usize = 253;
/// The longest label value and name of a label key.
const MAX_LABEL: usize = 63;
/// All annotations together, with their keys.
const MAX_ANNOTATIONS: usize = 256 << 10;

/// Checks what the schema of `metadata` does not say.
#[must_use]
pub fn check(metadata: &Value) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut say = |field: &str, message: String, check: Check| {
        violations.push(Violation {
            field: FieldPath::of("metadata").field(field),
            message,
            check,
        });
    };
    match (metadata["name"].as_str(), metadata["generateName"].as_str()) {
        (None, None) => {
            say(
                "name",
                "Required value: name or generateName is required".to_owned(),
                Check::Shape,
            );
        }
        (Some(name), _) => subdomain(name)
            .into_iter()
            .for_each(|message| say("name", message, Check::Schema)),
        // What is generated goes on behind the last dash.
        (None, Some(prefix)) => {
            let name = format!("{prefix}a");
            subdomain(&name)
                .into_iter()
                .for_each(|message| say("generateName", message, Check::Schema));
        }
    }
    for (key, value) in entries(&metadata["labels"]) {
        for message in label_key(key)
            .into_iter()
            .chain(value.as_str().and_then(label_value))
        {
            say("labels", message, Check::Schema);
        }
    }
    let annotations = entries(&metadata["annotations"]);
    let mut size = 0;
    for (key, value) in annotations {
        size += key.len() + value.as_str().map_or(0, str::len);
        label_key(&key.to_lowercase())
            .into_iter()
            .for_each(|message| say("annotations", message, Check::Schema));
    }
    if size > MAX_ANNOTATIONS {
        say(
            "annotations",
            format!("Too long: may not be more than {MAX_ANNOTATIONS} bytes"),
            Check::Shape,
        );
    }
    violations
}

fn entries(map: &Value) -> impl Iterator<Item = (&String, &Value)> {
    map.as_object().into_iter().flat_map(Map::iter)
}

fn subdomain(name: &str) -> Option<String> {
    if name.len() > MAX_SUBDOMAIN {
        return Some(format!("must be no more than {MAX_SUBDOMAIN} bytes"));
    }
    let is_label = |label: &str| {
        framed(
            label,
            |c| c.is_ascii_lowercase() || c.is_ascii_digit(),
            |c| c == '-',
        )
    };
    (!name.split('.').all(is_label)).then(|| SUBDOMAIN.to_owned())
}

fn label_key(key: &str) -> Option<String> {
    let (prefix, name) = match key.split('/').collect::<Vec<_>>()[..] {
        [name] => (None, name),
        [prefix, name] => (Some(prefix), name),
        _ => return Some(LABEL_KEY.to_owned()),
    };
    match prefix {
        Some("") => return Some("prefix part must be non-empty".to_owned()),
        Some(prefix) => {
            if let Some(message) = subdomain(prefix) {
                return Some(format!("prefix part {message}"));
            }
        }
        None => {}
    }
    if name.len() > MAX_LABEL {
        return Some(format!("name part must be no more than {MAX_LABEL} bytes"));
    }
    (!is_label_text(name)).then(|| NAME_PART.to_owned())
}

fn label_value(value: &str) -> Option<String> {
    if value.len() > MAX_LABEL {
        return Some(format!("must be no more than {MAX_LABEL} bytes"));
    }
    (!value.is_empty() && !is_label_text(value)).then(|| LABEL_VALUE.to_owned())
}

fn is_label_text(text: &str) -> bool {
    framed(
        text,
        |c| c.is_ascii_alphanumeric(),
        |c| matches!(c, '-' | '_' | '.'),
    )
}

/// Whether a text is not empty, begins and ends with one kind of character, and holds no others than these and those of
/// the other kind.
fn framed(text: &str, ends: impl Fn(char) -> bool, inside: impl Fn(char) -> bool) -> bool {
    text.starts_with(&ends) && text.ends_with(&ends) && text.chars().all(|c| ends(c) || inside(c))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(metadata: &Value) -> Vec<(String, String)> {
        let told = |violation: Violation| (violation.field.to_string(), violation.message);
        check(metadata).into_iter().map(told).collect()
    }

    #[test]
    fn what_people_write_is_fine() {
        let metadata = json!({
            "name": "cruddur.v2",
            "labels": {"app": "", "app.kubernetes.io/part-of": "Cruddur_2.0"},
            "annotations": {"tracewright.dev/reconcile-requested-at": "now!", "Team": "ä ö"},
        });
        assert_eq!(told(&metadata), []);
        assert_eq!(told(&json!({"generateName": "cruddur-"})), []);
    }

    #[test]
    fn each_field_is_told_as_the_api_server_tells_it() {
        let says =
            |field: &str, message: &str| vec![(format!("metadata.{field}"), message.to_owned())];
        let long = "a".repeat(64);
        for (metadata, expected) in [
            (
                json!({}),
                says("name", "Required value: name or generateName is required"),
            ),
            (json!({"name": "Cruddur"}), says("name", SUBDOMAIN)),
            (json!({"name": "a..b"}), says("name", SUBDOMAIN)),
            (
                json!({"generateName": "Cruddur-"}),
                says("generateName", SUBDOMAIN),
            ),
            (
                json!({"name": "a".repeat(254)}),
                says("name", "must be no more than 253 bytes"),
            ),
            (
                json!({"name": "a", "labels": {"a": "b c"}}),
                says("labels", LABEL_VALUE),
            ),
            (
                json!({"name": "a", "labels": {"a": &long}}),
                says("labels", "must be no more than 63 bytes"),
            ),
            (
                json!({"name": "a", "labels": {"a b": ""}}),
                says("labels", NAME_PART),
            ),
            (
                json!({"name": "a", "labels": {"/a": ""}}),
                says("labels", "prefix part must be non-empty"),
            ),
            (
                json!({"name": "a", "labels": {"A/a": ""}}),
                says("labels", &format!("prefix part {SUBDOMAIN}")),
            ),
            (
                json!({"name": "a", "labels": {"a/b/c": ""}}),
                says("labels", LABEL_KEY),
            ),
            (
                json!({"name": "a", "annotations": {long: ""}}),
                says("annotations", "name part must be no more than 63 bytes"),
            ),
            (
                json!({"name": "a", "annotations": {"a": "a".repeat(MAX_ANNOTATIONS)}}),
                says("annotations", "Too long: may not be more than 262144 bytes"),
            ),
        ] {
            assert_eq!(told(&metadata), expected, "{metadata:.200}");
        }
    }
}
