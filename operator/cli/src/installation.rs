//! Which installation of the operator this is, as its Lease tells it: `tracewright uninstall` reads there which namespaces
//! are meant, and an operator that is installed afterwards sees there that it is not the one that was told to stop.

use std::collections::BTreeMap;

use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{Api, PostParams};
use kube::{Client, ResourceExt};
use tracewright_xray::contract::annotation;
use tracing::debug;

/// An installation.
pub(crate) struct Installation {
    client: Client,
    watched: String,
    /// The UID of the ServiceAccount, empty if there is none; `None` before the API server has told. A ServiceAccount that is
    /// deleted and made again, as `helm uninstall` and `helm install` do, has another.
    uid: Option<String>,
}

impl Installation {
    /// The installation that looks after these namespaces, or all if there are none.
    pub(crate) fn new(client: Client, watched: &[String]) -> Self {
        Self {
            client,
            watched: watched.join(","),
            uid: None,
        }
    }

    /// Asks the API server who this is, unless it has answered already. Everybody may ask that: Kubernetes binds
    /// `system:basic-user` to all who are authenticated. Without an answer this is like every other installation.
    pub(crate) async fn identify(&mut self) {
        if self.uid.is_some() {
            return;
        }
        let reviews: Api<SelfSubjectReview> = Api::all(self.client.clone());
        let review = SelfSubjectReview::default();
        match reviews.create(&PostParams::default(), &review).await {
            Ok(review) => {
                let user = review.status.and_then(|status| status.user_info);
                self.uid = Some(user.and_then(|user| user.uid).unwrap_or_default());
            }
            Err(error) => {
                debug!(%error, "the API server does not say who this is");
                if matches!(error, kube::Error::Api(_)) {
                    self.uid = Some(String::new());
                }
            }
        }
    }

    /// Writes on the Lease which installation holds it.
    pub(crate) fn sign(&self, lease: &mut Lease) {
        let annotations: &mut BTreeMap<String, String> = lease.annotations_mut();
        annotations.insert(
            annotation::WATCH_NAMESPACES.to_owned(),
            self.watched.clone(),
        );
        match self.uid.as_ref().filter(|uid| !uid.is_empty()) {
            Some(uid) => annotations.insert(annotation::INSTALLATION.to_owned(), uid.clone()),
            None => annotations.remove(annotation::INSTALLATION),
        };
    }

    /// Whether the Lease was last held by an installation that is known to be another one.
    pub(crate) fn is_another_than(&self, lease: &Lease) -> bool {
        let last = lease.annotations().get(annotation::INSTALLATION);
        let own = self.uid.as_ref().filter(|uid| !uid.is_empty());
        last.zip(own).is_some_and(|(last, own)| last != own)
    }
}

/// The namespaces that the Lease's last holder looks after; empty for all.
pub(crate) fn watched_by_holder(lease: &Lease) -> Vec<String> {
    lease
        .annotations()
        .get(annotation::WATCH_NAMESPACES)
        .map(|list| {
            list.split(',')
                .filter(|name| !name.is_empty())
                .map(str::to_owned)
                .collect()
        })
        .unwrap_or_default()
}
