//! What the cluster adds to a plan: its id, what its namespaces allow and which profiles it holds. Reads only; what cannot
//! be read is assumed, and said.

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, ListParams};
use kube::core::PartialObjectMeta;
use kube::{Client, Config, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tracewright_core::crd::ObservabilityProfile;
use tracewright_core::rights::Rights;
use tracewright_xray::contract::annotation;

/// A cluster that does not answer for this long is taken for away.
const TIMEOUT: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Objects per page of a list, and how many pages are read.
const PAGE_SIZE: u32 = 500;
const MAX_PAGES: usize = 200;
/// The namespace that the API server makes first; its UID names the cluster.
const KUBE_SYSTEM: &str = "kube-system";

/// What is known of the cluster. `None` stands for what is assumed.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// Id of the cluster in tags of AWS objects.
    pub id: Option<String>,
    /// What the namespaces allow.
    pub namespaces: Option<BTreeMap<String, Rights>>,
    /// All profiles.
    pub profiles: Option<Vec<ObservabilityProfile>>,
    /// The namespace of objects that name none, as for kubectl.
    pub namespace: Option<String>,
    /// What was not found out and what is assumed instead, in sentences.
    pub assumptions: Vec<String>,
}

impl Surroundings {
    /// No cluster is looked at.
    #[must_use]
    pub fn assumed(why: &str) -> Self {
        let assumptions = [
            why,
            "assumed: the namespaces allow every name, role and adoption that the profiles ask for",
            "assumed: no other profile holds or claims the declared names, unless tags in AWS say so",
        ];
        Self {
            assumptions: assumptions.map(str::to_owned).into(),
            ..Self::default()
        }
    }

    /// Looks at the cluster of the kubeconfig, or of the pod that this runs in.
    pub async fn look() -> Self {
        let mut config = match Config::infer().await {
            Ok(config) => config,
            Err(error) => {
                return Self::assumed(&format!("no cluster is configured ({})", chain(&error)));
            }
        };
        let (server, namespace) = (config.cluster_url.clone(), config.default_namespace.clone());
        let looked = async {
            config.connect_timeout = Some(CONNECT_TIMEOUT);
            config.read_timeout = Some(TIMEOUT);
            read(&Client::try_from(config)?).await
        };
        match tokio::time::timeout(TIMEOUT, looked).await {
            Ok(Ok(surroundings)) => Self {
                namespace: Some(namespace),
                ..surroundings
            },
            Ok(Err(error)) => Self::assumed(&format!(
                "the cluster {server} cannot be read: {}",
                chain(&error)
            )),
            Err(_) => Self::assumed(&format!(
                "the cluster {server} does not answer within {} s",
                TIMEOUT.as_secs()
            )),
        }
    }

    /// What a namespace allows; one that does not exist yet has no annotations.
    #[must_use]
    pub fn rights(&self, namespace: &str) -> Rights {
        match &self.namespaces {
            Some(namespaces) => namespaces.get(namespace).cloned().unwrap_or_default(),
            None => everything(),
        }
    }

    /// A profile as it is in the cluster.
    #[must_use]
    pub fn profile(&self, namespace: &str, name: &str) -> Option<&ObservabilityProfile> {
        self.profiles.iter().flatten().find(|profile| {
            profile.metadata.namespace.as_deref() == Some(namespace)
                && profile.metadata.name.as_deref() == Some(name)
        })
    }
}

/// The rights of a namespace that allows everything.
fn everything() -> Rights {
    let any = |key: &str| (key.to_owned(), "*".to_owned());
    Rights::read(&BTreeMap::from([
        any(annotation::ALLOWED_ROLE_ARNS),
        any(annotation::ALLOW_ADOPT),
    ]))
}

async fn read(client: &Client) -> Result<Surroundings, kube::Error> {
    let mut found = Surroundings::default();
    match Api::<Namespace>::all(client.clone()).get_metadata(KUBE_SYSTEM).await.map(|namespace| namespace.uid()) {
        Ok(uid) => found.id = uid,
        Err(error) if refused(&error) => found.assumptions.push(format!(
            "the namespace {KUBE_SYSTEM}, whose UID names the cluster, may not be read: without --cluster-name the name is taken from tags in AWS"
        )),
        Err(error) => return Err(error),
    }
    match namespaces(client).await {
        Ok(namespaces) => found.namespaces = Some(namespaces),
        Err(error) if refused(&error) => found.assumptions.push(
            "namespaces may not be listed: assumed that they allow every name, role and adoption that the profiles ask for"
                .to_owned(),
        ),
        Err(error) => return Err(error),
    }
    match pages(&Api::<ObservabilityProfile>::all(client.clone())).await {
        Ok(profiles) => found.profiles = Some(profiles),
        // 404: the resource is not installed, so there are no profiles.
        Err(kube::Error::Api(status)) if status.code == 404 => found.profiles = Some(Vec::new()),
        Err(error) if refused(&error) => found.assumptions.push(
            "profiles may not be listed: assumed that no other profile holds or claims the declared names, unless tags in AWS say so"
                .to_owned(),
        ),
        Err(error) => return Err(error),
    }
    Ok(found)
}

fn refused(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 403)
}

async fn namespaces(client: &Client) -> Result<BTreeMap<String, Rights>, kube::Error> {
    let api = Api::<PartialObjectMeta<Namespace>>::all(client.clone());
    let rights = |namespace: PartialObjectMeta<Namespace>| {
        let annotations = namespace.metadata.annotations.unwrap_or_default();
        (
            namespace.metadata.name.unwrap_or_default(),
            Rights::read(&annotations),
        )
    };
    Ok(pages(&api).await?.into_iter().map(rights).collect())
}

async fn pages<K>(api: &Api<K>) -> Result<Vec<K>, kube::Error>
where
    K: Clone + DeserializeOwned + std::fmt::Debug + Resource,
{
    let (mut items, mut params) = (Vec::new(), ListParams::default().limit(PAGE_SIZE));
    for _ in 0..MAX_PAGES {
        let page = api.list(&params).await?;
        items.extend(page.items);
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => break,
        }
    }
    Ok(items)
}

/// An error with its causes, in one line.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    // Deeper chains than this repeat themselves.
    for _ in 0..8 {
        let Some(cause) = source else { break };
        let words = cause.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        source = cause.source();
    }
    text
}
