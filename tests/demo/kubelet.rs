//! A container's variables as a kubelet gives them to its process: references to fields and Secrets resolved, `$(NAME)`
//! expanded in the order of the list.
//!
//! Source: [Kubernetes, "Define Dependent Environment Variables"](https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/).

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{EnvVarSource, Pod, Secret};
use kube::api::ListParams;
use kube::{Api, Client};

/// The variables of a Deployment's first container, in one of its pods, in order.
pub async fn variables(namespace: &str, deployment: &str) -> Result<Vec<(String, String)>> {
    let client = Client::try_default().await?;
    let owner = Api::<Deployment>::namespaced(client.clone(), namespace)
        .get(deployment)
        .await?;
    let spec = owner.spec.context("the Deployment has no spec")?;
    let labels = spec.selector.match_labels.unwrap_or_default();
    let selector: Vec<String> = labels
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    let pods = Api::<Pod>::namespaced(client.clone(), namespace)
        .list(&ListParams::default().labels(&selector.join(",")))
        .await?;
    // The newest belongs to the newest template.
    let pod = pods
        .items
        .into_iter()
        .max_by_key(|pod| pod.metadata.creation_timestamp.clone())
        .context("the Deployment has no pod")?;
    let container = spec
        .template
        .spec
        .and_then(|spec| spec.containers.into_iter().next())
        .context("the Deployment has no container")?;
    let secrets = Api::<Secret>::namespaced(client, namespace);
    let mut known = BTreeMap::new();
    let mut variables = Vec::new();
    for entry in container.env.unwrap_or_default() {
        let value = match (entry.value, entry.value_from) {
            (value, None) => Some(expand(&value.unwrap_or_default(), &known)),
            (_, Some(source)) => resolve(&pod, &secrets, &source)
                .await
                .with_context(|| entry.name.clone())?,
        };
        // An optional reference to nothing: the variable is not there.
        if let Some(value) = value {
            known.insert(entry.name.clone(), value.clone());
            variables.push((entry.name, value));
        }
    }
    Ok(variables)
}

async fn resolve(
    pod: &Pod,
    secrets: &Api<Secret>,
    source: &EnvVarSource,
) -> Result<Option<String>> {
    if let Some(field) = &source.field_ref {
        let value = match field.field_path.as_str() {
            "metadata.name" => pod.metadata.name.clone(),
            "metadata.namespace" => pod.metadata.namespace.clone(),
            "spec.nodeName" => pod.spec.as_ref().and_then(|spec| spec.node_name.clone()),
            other => bail!("the field {other} is not known here"),
        };
        return Ok(Some(value.unwrap_or_default()));
    }
    let Some(reference) = &source.secret_key_ref else {
        bail!("only fieldRef and secretKeyRef are known here");
    };
    let secret = secrets.get_opt(&reference.name).await?;
    let value = secret
        .and_then(|secret| secret.data?.remove(&reference.key))
        .map(|value| String::from_utf8(value.0))
        .transpose()?;
    if value.is_none() && reference.optional != Some(true) {
        bail!("Secret {} has no key {}", reference.name, reference.key);
    }
    Ok(value)
}

/// `$(NAME)` is the value of a variable before this one, or stays as it is; `$$` is a dollar sign.
fn expand(text: &str, known: &BTreeMap<String, String>) -> String {
    let mut expanded = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        expanded.push_str(before);
        rest = after;
        if let Some(after) = rest.strip_prefix('$') {
            expanded.push('$');
            rest = after;
        } else if let Some((name, after)) =
            rest.strip_prefix('(').and_then(|rest| rest.split_once(')'))
        {
            match known.get(name) {
                Some(value) => expanded.push_str(value),
                None => expanded.push_str(&format!("$({name})")),
            }
            rest = after;
        } else {
            expanded.push('$');
        }
    }
    expanded.push_str(rest);
    expanded
}
