//! Validation: what an operation's model does not allow is refused in the services' own words.

use serde_json::Value;

use super::{Kind, Model, Operation, Shape};
use crate::error::AwsError;

impl Model {
    /// Refuses input that the model does not allow. Unknown members pass, as they do at AWS.
    pub(crate) fn validate(&self, operation: &Operation, input: &Value) -> Result<(), AwsError> {
        let mut violations = Vec::new();
        self.check(self.input(operation), input, "", &mut violations)?;
        if violations.is_empty() {
            return Ok(());
        }
        let count = violations.len();
        let plural = if count == 1 { "" } else { "s" };
        Err(operation.service.invalid(format!(
            "{count} validation error{plural} detected: {}",
            violations.join("; ")
        )))
    }

    fn check(
        &self,
        shape: &Shape,
        value: &Value,
        path: &str,
        violations: &mut Vec<String>,
    ) -> Result<(), AwsError> {
        match (shape.kind, value) {
            (Kind::Structure, Value::Object(members)) => {
                for (name, member_shape) in &shape.members {
                    let path = join(path, &lower_camel(name));
                    match members.get(name) {
                        None | Some(Value::Null) if shape.required.contains(name) => {
                            violations.push(format!("Value null at '{path}' failed to satisfy constraint: Member must not be null"));
                        }
                        None | Some(Value::Null) => {}
                        Some(member) => {
                            self.check(self.shape(member_shape), member, &path, violations)?
                        }
                    }
                }
            }
            (Kind::List, Value::Array(items)) => {
                shape.check_length(items.len(), || show(value), path, violations);
                let member = shape.member.as_deref().map(|name| self.shape(name));
                for (index, item) in items.iter().enumerate() {
                    if let Some(member) = member {
                        self.check(
                            member,
                            item,
                            &format!("{path}.{}.member", index + 1),
                            violations,
                        )?;
                    }
                }
            }
            (Kind::Map, Value::Object(entries)) => {
                shape.check_length(entries.len(), || show(value), path, violations);
                if let Some((key_shape, value_shape)) = &shape.map {
                    for (key, item) in entries {
                        self.check_key(self.shape(key_shape), key, value, path, violations);
                        self.check(
                            self.shape(value_shape),
                            item,
                            &format!("{path}.{key}.member"),
                            violations,
                        )?;
                    }
                }
            }
            (Kind::String, Value::String(text)) => shape.check_string(text, path, violations),
            (Kind::Integer, Value::Number(number))
                if number.as_i64().is_some_and(|n| i32::try_from(n).is_ok()) =>
            {
                shape.check_range(value, path, violations);
            }
            (Kind::Long, Value::Number(number)) if number.is_i64() => {
                shape.check_range(value, path, violations)
            }
            (Kind::Double, Value::Number(_)) => shape.check_range(value, path, violations),
            (Kind::Boolean, Value::Bool(_)) | (Kind::Timestamp, Value::Number(_)) => {}
            (kind, value) => return Err(mismatch(kind, value)),
        }
        Ok(())
    }

    fn check_key(
        &self,
        shape: &Shape,
        key: &str,
        map: &Value,
        path: &str,
        violations: &mut Vec<String>,
    ) {
        let mut broken = Vec::new();
        shape.check_string(key, path, &mut broken);
        for violation in broken {
            let constraint = violation.split("constraint: ").nth(1).unwrap_or_default();
            violations.push(format!(
                "Value '{}' at '{path}' failed to satisfy constraint: Map keys must satisfy constraint: [{constraint}]",
                show(map)
            ));
        }
    }
}

impl Shape {
    fn check_string(&self, text: &str, path: &str, violations: &mut Vec<String>) {
        self.check_length(text.chars().count(), || text.to_owned(), path, violations);
        if let Some((pattern, regex)) = &self.pattern
            && !regex.is_match(text)
        {
            violations.push(format!(
                "Value '{text}' at '{path}' failed to satisfy constraint: Member must satisfy regular expression pattern: {pattern}"
            ));
        }
        if let Some(values) = &self.values
            && !values.iter().any(|value| value == text)
        {
            violations.push(format!(
                "Value '{text}' at '{path}' failed to satisfy constraint: Member must satisfy enum value set: [{}]",
                values.join(", ")
            ));
        }
    }

    fn check_length(
        &self,
        length: usize,
        shown: impl Fn() -> String,
        path: &str,
        violations: &mut Vec<String>,
    ) {
        let length = length as f64;
        let mut push = |bound: &str, limit: f64| {
            violations.push(format!(
                "Value '{}' at '{path}' failed to satisfy constraint: Member must have length {bound} than or equal to {limit}",
                shown()
            ));
        };
        if let Some(min) = self.min.filter(|min| length < *min) {
            push("greater", min);
        }
        if let Some(max) = self.max.filter(|max| length > *max) {
            push("less", max);
        }
    }

    fn check_range(&self, value: &Value, path: &str, violations: &mut Vec<String>) {
        let number = value.as_f64().unwrap_or(f64::NAN);
        let mut push = |bound: &str, limit: f64| {
            violations.push(format!(
                "Value '{value}' at '{path}' failed to satisfy constraint: Member must have value {bound} than or equal to {limit}"
            ));
        };
        if let Some(min) = self.min.filter(|min| number < *min) {
            push("greater", min);
        }
        if let Some(max) = self.max.filter(|max| number > *max) {
            push("less", max);
        }
    }
}

fn join(path: &str, member: &str) -> String {
    if path.is_empty() {
        member.to_owned()
    } else {
        format!("{path}.{member}")
    }
}

fn lower_camel(name: &str) -> String {
    // `URLPath` is `uRLPath` in the service's own messages: only the first letter changes.
    let mut chars = name.chars();
    chars
        .next()
        .map(|first| first.to_ascii_lowercase().to_string() + chars.as_str())
        .unwrap_or_default()
}

fn show(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => format!(
            "[{}]",
            items.iter().map(show).collect::<Vec<_>>().join(", ")
        ),
        Value::Object(entries) => {
            let entries: Vec<_> = entries
                .iter()
                .map(|(key, value)| format!("{key}={}", show(value)))
                .collect();
            format!("{{{}}}", entries.join(", "))
        }
        other => other.to_string(),
    }
}

fn mismatch(expected: Kind, found: &Value) -> AwsError {
    let found = match found {
        Value::Object(_) => {
            return AwsError::serialization("Start of structure or map found where not expected.");
        }
        Value::Array(_) => {
            return AwsError::serialization("Start of list found where not expected");
        }
        Value::String(_) => "STRING_VALUE",
        Value::Number(number) if number.is_f64() => "DECIMAL_VALUE",
        Value::Number(_) => "NUMBER_VALUE",
        Value::Bool(true) => "TRUE_VALUE",
        Value::Bool(false) => "FALSE_VALUE",
        Value::Null => "NULL_VALUE",
    };
    let expected = match expected {
        Kind::Structure | Kind::List | Kind::Map => {
            return AwsError::serialization("Expected list or null");
        }
        Kind::String => "a String",
        Kind::Integer => "an Integer",
        Kind::Long => "a Long",
        Kind::Double => "a Double",
        Kind::Boolean => "a Boolean",
        Kind::Timestamp => "a Timestamp",
    };
    AwsError::serialization(format!("{found} can not be converted to {expected}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::of;
    use super::*;
    use crate::service::Service;

    fn refusal(service: Service, operation: &str, input: &Value) -> Option<String> {
        let model = of(service);
        let operation = model
            .operation(operation)
            .expect("an operation of the test");
        model
            .validate(operation, input)
            .err()
            .map(|error| format!("{}: {}", error.code, error.message))
    }

    #[test]
    fn violations_are_told_in_the_words_of_the_services() {
        for (service, operation, input, expected) in [
            (
                Service::Logs,
                "CreateLogGroup",
                json!({}),
                "InvalidParameterException: 1 validation error detected: Value null at 'logGroupName' failed to satisfy constraint: Member must not be null",
            ),
            (
                Service::Logs,
                "CreateLogGroup",
                json!({"logGroupName": ""}),
                "InvalidParameterException: 2 validation errors detected: Value '' at 'logGroupName' failed to satisfy constraint: Member must have length greater than or equal to 1; Value '' at 'logGroupName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\.\\-_/#A-Za-z0-9]+",
            ),
            (
                Service::Logs,
                "CreateLogGroup",
                json!({"logGroupName": "a", "logGroupClass": "CHEAP"}),
                "InvalidParameterException: 1 validation error detected: Value 'CHEAP' at 'logGroupClass' failed to satisfy constraint: Member must satisfy enum value set: [STANDARD, INFREQUENT_ACCESS, DELIVERY, ESSENTIALS]",
            ),
            (
                Service::Logs,
                "DescribeLogGroups",
                json!({"limit": 51}),
                "InvalidParameterException: 1 validation error detected: Value '51' at 'limit' failed to satisfy constraint: Member must have value less than or equal to 50",
            ),
            (
                Service::Xray,
                "CreateGroup",
                json!({"GroupName": "x".repeat(33)}),
                "InvalidRequestException: 1 validation error detected: Value 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx' at 'groupName' failed to satisfy constraint: Member must have length less than or equal to 32",
            ),
            (
                Service::Xray,
                "TagResource",
                json!({"ResourceARN": "a", "Tags": [{"Key": "k", "Value": "v"}, {"Key": "k"}]}),
                "InvalidRequestException: 1 validation error detected: Value null at 'tags.2.member.value' failed to satisfy constraint: Member must not be null",
            ),
            (
                Service::Sts,
                "AssumeRole",
                json!({"RoleArn": "arn:aws:iam::123456789012:role/r", "RoleSessionName": "a b"}),
                "ValidationError: 1 validation error detected: Value 'a b' at 'roleSessionName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\w+=,.@-]*",
            ),
        ] {
            assert_eq!(
                refusal(service, operation, &input).as_deref(),
                Some(expected)
            );
        }
    }

    #[test]
    fn a_wrong_type_is_a_serialization_exception() {
        for (input, expected) in [
            (
                json!({"logGroupName": 5}),
                "NUMBER_VALUE can not be converted to a String",
            ),
            (
                json!({"logGroupName": {}}),
                "Start of structure or map found where not expected.",
            ),
            (
                json!({"logGroupName": "a", "deletionProtectionEnabled": "true"}),
                "STRING_VALUE can not be converted to a Boolean",
            ),
            (
                json!({"logGroupName": "a", "tags": [1]}),
                "Start of list found where not expected",
            ),
        ] {
            let expected = format!("SerializationException: {expected}");
            assert_eq!(
                refusal(Service::Logs, "CreateLogGroup", &input),
                Some(expected),
                "{input}"
            );
        }
        let fraction = json!({"logGroupName": "a", "retentionInDays": 7.5});
        assert!(
            refusal(Service::Logs, "PutRetentionPolicy", &fraction)
                .is_some_and(|text| text.starts_with("SerializationException"))
        );
    }

    #[test]
    fn unknown_members_and_nulls_are_ignored() {
        let input = json!({"logGroupName": "a", "color": "blue", "kmsKeyId": null});
        assert_eq!(refusal(Service::Logs, "CreateLogGroup", &input), None);
    }
}
