//! The CustomResourceDefinition as it is installed: what the derive makes, with null values pruned instead of stored, and
//! descriptions that `kubectl explain` can wrap.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps,
};
use kube::CustomResourceExt;

use super::ObservabilityProfile;

/// The CustomResourceDefinition of `ObservabilityProfile`.
///
/// No field is nullable: the API server then drops an explicit `null` before it applies defaults and rules
/// (Kubernetes, "Defaulting and Nullable"), so a `null` means the same as an absent field everywhere.
#[must_use]
pub fn definition() -> CustomResourceDefinition {
    let mut crd = ObservabilityProfile::crd();
    let schemas = crd
        .spec
        .versions
        .iter_mut()
        .filter_map(|version| version.schema.as_mut()?.open_api_v3_schema.as_mut());
    for schema in schemas {
        finish(schema);
    }
    crd
}

fn finish(schema: &mut JSONSchemaProps) {
    use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
        JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
    };
    schema.nullable = None;
    if let Some(description) = &mut schema.description {
        *description = unwrapped(description);
    }
    schema
        .properties
        .iter_mut()
        .flat_map(|properties| properties.values_mut())
        .for_each(finish);
    match &mut schema.items {
        Some(JSONSchemaPropsOrArray::Schema(items)) => finish(items),
        Some(JSONSchemaPropsOrArray::Schemas(items)) => items.iter_mut().for_each(finish),
        None => {}
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &mut schema.additional_properties {
        finish(values);
    }
}

/// Lines of source are no lines of text: only empty ones end a paragraph.
fn unwrapped(text: &str) -> String {
    let paragraphs: Vec<String> = text
        .split("\n\n")
        .map(|paragraph| paragraph.replace('\n', " "))
        .collect();
    paragraphs.join("\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_are_wrapped_by_the_reader_not_by_the_source() {
        let json = serde_json::to_string(&definition()).expect("the definition is JSON");
        let single = json.replace(r"\n\n", "").contains(r"\n");
        assert!(!single, "a description holds a line break");
        assert_eq!(unwrapped("a\nb\n\nc"), "a b\n\nc");
    }
}
