//! Answers held to the model: no member it does not have, none missing that it requires, no value of another type.
//!
//! Lengths and ranges are not looked at: they are those of input, and AWS's own answers leave them (rule `Default` has
//! priority 10000).

use serde_json::Value;

use super::{Kind, Model, Operation, Shape};

impl Model {
    /// Says where an answer is not what the model says.
    pub(crate) fn check_answer(&self, operation: &Operation, answer: &Value) -> Result<(), String> {
        match (self.output(operation), answer) {
            (Some(shape), answer) => self.conforms(shape, answer, operation.name),
            (None, Value::Null) => Ok(()),
            (None, answer) => Err(format!(
                "{}: {answer} where nothing is answered",
                operation.name
            )),
        }
    }

    fn conforms(&self, shape: &Shape, value: &Value, path: &str) -> Result<(), String> {
        let fits = match (shape.kind, value) {
            (Kind::Structure, Value::Object(members)) => {
                if let Some(missing) = shape
                    .required
                    .iter()
                    .find(|name| !members.contains_key(*name))
                {
                    return Err(format!("{path} lacks {missing}"));
                }
                for (name, value) in members {
                    let path = format!("{path}.{name}");
                    let member = shape
                        .members
                        .get(name)
                        .ok_or_else(|| format!("{path} is no member"))?;
                    self.conforms(self.shape(member), value, &path)?;
                }
                true
            }
            (Kind::List, Value::Array(items)) => {
                if let Some(member) = &shape.member {
                    for (index, item) in items.iter().enumerate() {
                        self.conforms(self.shape(member), item, &format!("{path}[{index}]"))?;
                    }
                }
                true
            }
            (Kind::Map, Value::Object(entries)) => {
                if let Some((_, member)) = &shape.map {
                    for (key, value) in entries {
                        self.conforms(self.shape(member), value, &format!("{path}[{key}]"))?;
                    }
                }
                true
            }
            (Kind::String, Value::String(text)) => shape
                .values
                .as_ref()
                .is_none_or(|values| values.contains(text)),
            (Kind::Integer | Kind::Long, Value::Number(number)) => number.is_i64(),
            (Kind::Double | Kind::Timestamp, Value::Number(_))
            | (Kind::Boolean, Value::Bool(_)) => true,
            _ => false,
        };
        match fits {
            true => Ok(()),
            false => Err(format!(
                "{path}: {value} is no {:?} of the model",
                shape.kind
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::of;
    use crate::service::Service;

    #[test]
    fn an_answer_is_held_to_the_model() {
        let model = of(Service::Logs);
        for (operation, answer, expected) in [
            (
                "DescribeLogGroups",
                json!({"logGroups": [{"logGroupName": "a", "creationTime": 5}]}),
                None,
            ),
            (
                "DescribeLogGroups",
                json!({"logGroups": [{"name": "a"}]}),
                Some("DescribeLogGroups.logGroups[0].name is no member"),
            ),
            (
                "DescribeLogGroups",
                json!({"logGroups": [{"creationTime": "now"}]}),
                Some(
                    "DescribeLogGroups.logGroups[0].creationTime: \"now\" is no Long of the model",
                ),
            ),
            (
                "DescribeLogGroups",
                json!({"logGroups": [{"logGroupClass": "CHEAP"}]}),
                Some(
                    "DescribeLogGroups.logGroups[0].logGroupClass: \"CHEAP\" is no String of the model",
                ),
            ),
            (
                "ListTagsForResource",
                json!({"tags": {"a": 1}}),
                Some("ListTagsForResource.tags[a]: 1 is no String of the model"),
            ),
            ("CreateLogGroup", Value::Null, None),
            (
                "CreateLogGroup",
                json!({}),
                Some("CreateLogGroup: {} where nothing is answered"),
            ),
        ] {
            let operation = model
                .operation(operation)
                .expect("an operation of the test");
            let found = model.check_answer(operation, &answer).err();
            assert_eq!(found.as_deref(), expected, "{answer}");
        }
    }
}
