//! A small model of the API server: strategic merge of what our patches contain, validation and normalisation of what
//! they could break. It is stricter than the API server where order is concerned: see [`ordered`].

use serde_json::{Map, Value};

/// Applies a patch. `Err` where the API server would refuse it.
pub fn apply(object: &Value, patch: &Value) -> Result<Value, String> {
    let version = &object["metadata"]["resourceVersion"];
    if patch["metadata"]["resourceVersion"] != *version {
        return Err("409: the resourceVersion is another".into());
    }
    let mut merged = object.clone();
    merge(&mut merged, patch)?;
    let next = version
        .as_str()
        .and_then(|version| version.parse::<u64>().ok())
        .map_or(1, |version| version + 1);
    merged["metadata"]["resourceVersion"] = next.to_string().into();
    validate(&merged)?;
    Ok(merged)
}

/// What the API server makes of an object: empty lists, maps and values are left out, and `fieldRef` gets its
/// version.
pub fn normalised(object: &Value) -> Value {
    match object {
        Value::Object(fields) => {
            let mut fields: Map<_, _> = fields
                .iter()
                .map(|(key, value)| (key.clone(), normalised(value)))
                .filter(|(_, value)| !is_empty(value))
                .collect();
            if fields.contains_key("fieldPath") {
                fields.insert("apiVersion".into(), "v1".into());
            }
            fields.into()
        }
        Value::Array(items) => items.iter().map(normalised).collect(),
        other => other.clone(),
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

fn merge(into: &mut Value, patch: &Value) -> Result<(), String> {
    let Value::Object(fields) = patch else {
        *into = patch.clone();
        return Ok(());
    };
    if !into.is_object() {
        *into = Value::Object(Map::new());
    }
    for (key, value) in fields {
        match (key.as_str(), value) {
            ("containers" | "env", Value::Array(items)) => merge_list(&mut into[key], items)?,
            (directive, _) if directive.starts_with('$') => {}
            (_, Value::Null) => {
                if let Some(fields) = into.as_object_mut() {
                    fields.remove(key);
                }
            }
            _ => merge(&mut into[key], value)?,
        }
    }
    if let Some(order) = fields.get("$setElementOrder/env") {
        let list = into["env"].take();
        into["env"] = ordered(list, order)?;
    }
    Ok(())
}

fn name(item: &Value) -> &str {
    item["name"].as_str().unwrap_or_default()
}

fn merge_list(list: &mut Value, patches: &[Value]) -> Result<(), String> {
    let mut items = list.as_array().cloned().unwrap_or_default();
    for patch in patches {
        let at = items.iter().position(|item| name(item) == name(patch));
        match (patch["$patch"].as_str(), at) {
            (Some("delete"), _) => items.retain(|item| name(item) != name(patch)),
            (Some(other), _) => return Err(format!("directive {other}")),
            (None, Some(at)) => merge(&mut items[at], patch)?,
            (None, None) => {
                let mut item = Value::Null;
                merge(&mut item, patch)?;
                items.push(item);
            }
        }
    }
    *list = items.into();
    Ok(())
}

/// Sorts a list by an order of names. The API server places names that the order leaves out by where they happened to
/// be in memory; here they are an error.
fn ordered(list: Value, order: &Value) -> Result<Value, String> {
    let order: Vec<_> = order.as_array().into_iter().flatten().map(name).collect();
    let mut items = list.as_array().cloned().unwrap_or_default();
    for item in &items {
        if !order.contains(&name(item)) {
            return Err(format!("the order leaves out {}", name(item)));
        }
    }
    items.sort_by_key(|item| order.iter().position(|named| *named == name(item)));
    Ok(items.into())
}

fn validate(object: &Value) -> Result<(), String> {
    let spec = &object["spec"];
    let spec = if spec["jobTemplate"].is_null() {
        spec
    } else {
        &spec["jobTemplate"]["spec"]
    };
    for container in spec["template"]["spec"]["containers"]
        .as_array()
        .into_iter()
        .flatten()
    {
        if container["image"].is_null() {
            return Err(format!("422: container {} has no image", name(container)));
        }
        for entry in container["env"].as_array().into_iter().flatten() {
            let sources = entry["valueFrom"].as_object().map_or(0, Map::len);
            let literal = entry["value"]
                .as_str()
                .is_some_and(|value| !value.is_empty());
            if sources > 1 || (literal && sources > 0) {
                return Err(format!("422: {} has more than one value", name(entry)));
            }
        }
    }
    Ok(())
}
