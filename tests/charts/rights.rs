//! What the operator's chart allows its operator. Whether each right is used: `used-rights`.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use support::chart;
use support::rights::{self, Right};

async fn objects(values: Value) -> Result<Vec<Value>> {
    chart::render("tracewright", "example", "team", &values).await
}

fn granted(objects: &[Value]) -> BTreeSet<Right> {
    rights::granted(objects)
}

#[tokio::test]
async fn without_receivers_their_rights_are_not_granted() -> Result<()> {
    let with = granted(&objects(json!({})).await?);
    let without = granted(&objects(json!({"receivers": {"enabled": false}})).await?);
    ensure!(without.is_subset(&with));
    let dropped: BTreeSet<String> = with
        .difference(&without)
        .map(|right| right.resource.clone())
        .collect();
    let expected = [
        "configmaps",
        "daemonsets",
        "deployments",
        "networkpolicies",
        "poddisruptionbudgets",
        "serviceaccounts",
        "services",
    ];
    ensure!(dropped == expected.map(str::to_owned).into(), "{dropped:?}");
    ensure!(
        !without.iter().any(|right| right.verb == "delete"),
        "without receivers there is nothing to delete: {without:?}"
    );
    Ok(())
}

#[tokio::test]
async fn nothing_is_a_wildcard_and_secrets_are_never_listed() -> Result<()> {
    for values in [
        json!({}),
        json!({"watchNamespaces": ["shop"], "operator": {"clusterName": "prod"}}),
    ] {
        for right in granted(&objects(values).await?) {
            ensure!(
                ![&right.group, &right.resource, &right.verb]
                    .iter()
                    .any(|part| part.contains('*')),
                "{right}"
            );
            ensure!(
                right.resource != "secrets" || right.verb == "get",
                "{right}"
            );
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_list_of_namespaces_needs_no_cluster_role() -> Result<()> {
    let values =
        json!({"watchNamespaces": ["shop", "payments"], "operator": {"clusterName": "prod"}});
    let objects = objects(values).await?;
    let kinds = |kind: &str| -> Vec<(&str, &str)> {
        let of_kind = objects.iter().filter(|object| object["kind"] == kind);
        let places = of_kind.map(|object| {
            let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default();
            (text("namespace"), text("name"))
        });
        places.collect()
    };
    ensure!(kinds("ClusterRole").is_empty() && kinds("ClusterRoleBinding").is_empty());
    let expected = [
        ("shop", "example-tracewright-profiles"),
        ("payments", "example-tracewright-profiles"),
        ("team", "example-tracewright"),
    ];
    ensure!(kinds("Role") == expected, "{:?}", kinds("Role"));
    ensure!(
        kinds("RoleBinding") == expected,
        "{:?}",
        kinds("RoleBinding")
    );
    Ok(())
}
