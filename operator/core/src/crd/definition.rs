//! The CustomResourceDefinition as it is installed: what the derive makes, with null values pruned instead of stored.

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
        drop_nullable(schema);
    }
    crd
}

fn drop_nullable(schema: &mut JSONSchemaProps) {
    use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
        JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
    };
    schema.nullable = None;
    schema
        .properties
        .iter_mut()
        .flat_map(|properties| properties.values_mut())
        .for_each(drop_nullable);
    match &mut schema.items {
        Some(JSONSchemaPropsOrArray::Schema(items)) => drop_nullable(items),
        Some(JSONSchemaPropsOrArray::Schemas(items)) => items.iter_mut().for_each(drop_nullable),
        None => {}
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &mut schema.additional_properties {
        drop_nullable(values);
    }
}
