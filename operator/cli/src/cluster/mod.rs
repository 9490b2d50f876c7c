//! The cluster side of a profile: receivers and workloads.

mod history;
mod inject;
mod leave;
mod lookups;
mod packed;
mod pods;
mod proxy;
mod queue;
pub mod receiver;
mod slim;
pub mod store;
mod turns;
mod write;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, StatefulSet};
use k8s_openapi::api::batch::v1::CronJob;
use kube::runtime::reflector::ObjectRef;
use kube::{Client, ResourceExt};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tracewright_core::coverage::{Covered, preview, report};
use tracewright_core::crd::status::{PlannedChange, WorkloadsStatus};
use tracewright_core::crd::{Mode, ObservabilityProfile};
use tracewright_core::identity::ProfileRef;
use tracewright_core::plan::Note;
use tracewright_core::receiver::{Defaults, Object, ObjectKind, address, objects};
use tracewright_core::report::{Fact, Truth};
use tracewright_core::workload::Workload;
use tracewright_xray::contract::condition::reason;
use tracewright_xray::contract::label;

use self::inject::{Selection, Written, secret_notes};
use self::leave::{Departed, Sweeping};
pub use self::leave::{Pace, Withdrawn};
use self::lookups::Lookups;
use self::queue::Queue;
use self::receiver::{Check, Receivers};
use self::store::Workloads;
use self::write::Writer;
use crate::lease::Permit;
use crate::metrics::{Bound, Metrics};
use crate::operator::scope::Scope;
use crate::operator::watches::Watches;
use crate::operator::world::{World, reference};

/// How long reconciles wait for the first lists after a start. Without them every workload would seem to be gone.
const LIST_PATIENCE: Duration = Duration::from_secs(10);

/// What the operator brings along for the cluster side.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Address of the receiver of profiles that declare none.
    pub default_receiver: Option<String>,
    /// Image of the AWS X-Ray daemon where a profile names none.
    pub daemon_image: String,
    /// Image of the OpenTelemetry Collector where a profile names none.
    pub collector_image: String,
    /// The operator's own namespace.
    pub namespace: String,
    /// Workloads of all profiles that may be rolling out at the same time.
    pub max_concurrent_rollouts: usize,
    /// The namespaces that are looked after.
    pub scope: Scope,
    /// Whether receivers are run at all.
    pub receivers: bool,
    /// How it is found out whether a receiver is ready.
    pub check: Check,
}

/// Receivers and workloads.
pub struct Cluster {
    client: Client,
    settings: Settings,
    world: Arc<World>,
    permit: Permit,
    workloads: Arc<Workloads>,
    receivers: Receivers,
    lookups: Lookups,
    queue: Queue,
    writer: Writer,
    metrics: Arc<Metrics>,
    /// Asks for reconciles. Bounded; a full queue means that the profiles are about to be reconciled anyway.
    requests: mpsc::Sender<ObjectRef<ObservabilityProfile>>,
    departed: Departed,
    started: Instant,
    /// Profiles that are gone and whose workloads are not rid of their variables yet.
    swept: Mutex<BTreeMap<ProfileRef, Sweeping>>,
}

/// What a look at the cluster side found and did.
#[derive(Clone, Debug)]
pub struct ClusterFacts {
    /// Whether the receiver answers.
    pub receiver: Fact,
    /// Whether the selected workloads have the variables.
    pub injected: Fact,
    /// The selected workloads.
    pub workloads: WorkloadsStatus,
    /// The variables that a selected workload receives, by name.
    pub env: Vec<String>,
    /// In mode Preview: what Apply would do.
    pub preview: Vec<PlannedChange>,
    /// What a person should know.
    pub notes: Vec<Note>,
}

impl Cluster {
    /// The cluster side.
    ///
    /// # Errors
    /// If no HTTP client can be made.
    pub fn new(
        client: Client,
        settings: Settings,
        world: Arc<World>,
        permit: Permit,
        requests: mpsc::Sender<ObjectRef<ObservabilityProfile>>,
        metrics: Arc<Metrics>,
    ) -> Result<Self, reqwest::Error> {
        let workloads: Arc<Workloads> = Arc::default();
        Ok(Self {
            writer: Writer::new(client.clone(), permit.clone(), workloads.clone()),
            receivers: Receivers::new(client.clone(), settings.check, metrics.clone())?,
            lookups: Lookups::new(client.clone(), metrics.clone()),
            metrics,
            client,
            settings,
            world,
            permit,
            workloads,
            queue: Queue::default(),
            requests,
            departed: Departed::default(),
            started: Instant::now(),
            swept: Mutex::default(),
        })
    }

    /// Watches workloads of all kinds; `request` asks for reconciles of the profiles that a changed one concerns.
    pub async fn watch(&self, watches: Arc<Watches>, request: impl Fn(&ProfileRef) + Clone) {
        let changed = |before: Option<&Workload>, after: Option<&Workload>| {
            for profile in self.concerned(before, after) {
                request(&profile);
            }
        };
        let scope = &self.settings.scope;
        let watch = || (self.client.clone(), watches.clone());
        let ((a, b), (c, d), (e, f), (g, h)) = (watch(), watch(), watch(), watch());
        tokio::join!(
            self.workloads
                .clone()
                .watch::<Deployment>(scope, a, b, changed),
            self.workloads
                .clone()
                .watch::<StatefulSet>(scope, c, d, changed),
            self.workloads
                .clone()
                .watch::<DaemonSet>(scope, e, f, changed),
            self.workloads
                .clone()
                .watch::<CronJob>(scope, g, h, changed),
        );
    }

    /// The profiles that a workload concerns: those that select it, the one whose record it carries, and the one whose
    /// receiver it is.
    fn concerned(&self, before: Option<&Workload>, after: Option<&Workload>) -> Vec<ProfileRef> {
        if let (Some(before), Some(after)) = (before, after)
            && before == after
        {
            return Vec::new();
        }
        let Some(namespace) = after.or(before).map(|workload| workload.namespace.as_str()) else {
            return Vec::new();
        };
        let either = || before.into_iter().chain(after);
        let departs = |profile: &ProfileRef| {
            either().any(|workload| self.departed.contains(profile, &inject::key(workload)))
        };
        self.world
            .profiles
            .state()
            .iter()
            .filter(|profile| profile.metadata.namespace.as_deref() == Some(namespace))
            .filter(|profile| {
                let name = profile.name_any();
                departs(&reference(profile))
                    || either().any(|workload| {
                        selects(profile, workload)
                            || workload
                                .record
                                .as_ref()
                                .is_some_and(|record| record.profile == name)
                            || workload.labels.get(label::PROFILE) == Some(&name)
                    })
            })
            .map(|profile| reference(profile))
            .collect()
    }

    /// Brings receivers and workloads where the profile wants them, or in mode Preview says what that would take.
    pub async fn sync(&self, profile: &ObservabilityProfile) -> ClusterFacts {
        let me = reference(profile);
        let region = profile
            .spec
            .aws
            .as_ref()
            .and_then(|aws| aws.region.clone())
            .or(self.world.region.clone());
        let defaults = Defaults {
            daemon_image: &self.settings.daemon_image,
            collector_image: &self.settings.collector_image,
            region: region.as_deref().unwrap_or_default(),
            operator_namespace: &self.settings.namespace,
        };
        let receiver_address = address(
            &me.name,
            &profile.spec,
            self.settings.default_receiver.as_deref(),
        );
        let writes = profile.spec.mode == Mode::Apply && self.permit.holds();
        let wanted = objects(profile, &defaults);
        let receiver = if writes {
            self.receiver(
                profile,
                &wanted,
                receiver_address.as_deref(),
                region.as_deref(),
            )
            .await
        } else {
            Fact::unknown(
                reason::PREVIEW,
                "spec.mode is Preview: receivers are not touched",
            )
        };
        if let Some(message) = self.unlisted(profile) {
            return ClusterFacts {
                receiver,
                injected: Fact::unknown(reason::PENDING, message),
                workloads: WorkloadsStatus::default(),
                env: Vec::new(),
                preview: Vec::new(),
                notes: Vec::new(),
            };
        }
        let selection = self
            .select(profile, receiver_address.as_deref(), region.as_deref())
            .await;
        let written = if writes {
            self.write(profile, &selection).await
        } else {
            Written::default()
        };
        let receiver = if writes {
            self.outgrown(profile, &wanted, &selection, receiver).await
        } else {
            receiver
        };
        let (workloads, injected) = report(&selection.covered, &written.chosen, &written.refused);
        let preview = if profile.spec.mode == Mode::Preview {
            let mut changes: Vec<PlannedChange> = wanted
                .iter()
                .map(|object| planned(object.kind, &me.name))
                .collect();
            changes.extend(preview(&selection.covered, &selection.leaving));
            changes
        } else {
            Vec::new()
        };
        ClusterFacts {
            receiver,
            injected,
            workloads,
            env: names(
                profile,
                &selection.covered,
                receiver_address.as_deref(),
                region.as_deref(),
            ),
            preview,
            notes: secret_notes(self, &profile.spec, &selection),
        }
    }

    /// Brings the receiver where it should be, and says how it is.
    async fn receiver(
        &self,
        profile: &ObservabilityProfile,
        wanted: &[Object],
        address: Option<&str>,
        region: Option<&str>,
    ) -> Fact {
        if !wanted.is_empty() && !self.settings.receivers {
            return Fact::no(
                reason::RECEIVERS_DISABLED,
                "this operator runs no receivers (--no-receivers): set spec.xray.receiver.external to one that exists, or leave spec.xray.receiver out",
            );
        }
        if !wanted.is_empty() && region.is_none() {
            // Without one neither program starts.
            return Fact::no(
                reason::PROGRESSING,
                "the receiver needs an AWS region: set spec.aws.region, or give the operator a region (--region or AWS_REGION)",
            );
        }
        if let Err(error) = self.receivers.keep(profile, wanted).await {
            return error.fact();
        }
        let namespace = profile.namespace().unwrap_or_default();
        let find = |kind, name: &str| self.workloads.get(&namespace, &(kind, name.to_owned()));
        self.receivers.look(profile, wanted, address, find).await
    }

    /// Removes what is left of another receiver once nothing uses it: where there is a new one it answers, else no
    /// workload runs with the old address any more.
    async fn outgrown(
        &self,
        profile: &ObservabilityProfile,
        wanted: &[Object],
        selection: &Selection,
        receiver: Fact,
    ) -> Fact {
        let me = reference(profile);
        let in_use = if wanted.is_empty() {
            selection.covered.iter().any(|one| !one.at_rest())
                || !selection.leaving.is_empty()
                || !self
                    .departed
                    .rolling(&me, |key| self.rolls(&me, key))
                    .is_empty()
        } else {
            receiver.truth != Truth::True
        };
        if in_use || !self.settings.receivers {
            return receiver;
        }
        match self.receivers.remove_except(profile, wanted).await {
            Ok(()) => receiver,
            Err(error) => error.fact(),
        }
    }

    /// Which first lists are missing to know a profile's workloads, as a sentence.
    fn unlisted(&self, profile: &ObservabilityProfile) -> Option<String> {
        let unlisted = self.workloads.unlisted();
        let what = if !unlisted.is_empty() {
            let kinds: Vec<_> = unlisted.iter().map(|kind| kind.as_str()).collect();
            format!("every {}", kinds.join(", "))
        } else {
            let namespace = profile.metadata.namespace.as_deref().unwrap_or_default();
            if !self.settings.scope.is_unsettled(namespace) {
                return None;
            }
            format!("all workloads of the namespace {namespace}")
        };
        Some(format!(
            "the first list of {what} is not in yet: may the operator list and watch them?"
        ))
    }

    /// Forgets all profiles but those that live.
    pub fn retain(&self, lives: impl Fn(&ProfileRef) -> bool) {
        self.receivers.retain(lives);
    }

    /// Waits, for a while after a start, until the first lists of a start are in.
    pub async fn listed(&self) {
        let all = async {
            self.workloads.listed().await;
            // An error means that the watch is gone, and the operator with it.
            let _ = self.world.namespaces.wait_until_ready().await;
        };
        let _ = tokio::time::timeout_at(self.started + LIST_PATIENCE, all).await;
    }

    /// Whether all profiles and workloads are known, so that what is absent is gone.
    #[must_use]
    pub fn knows_all(&self) -> bool {
        let profiles = self.world.profiles.wait_until_ready().now_or_never();
        profiles.is_some() && self.workloads.unlisted().is_empty()
    }

    /// Asks for a reconcile of a profile.
    fn wake(&self, profile: &ProfileRef) {
        let profile = ObjectRef::new(&profile.name).within(&profile.namespace);
        if self.requests.try_send(profile).is_err() {
            self.metrics.bound_reached(Bound::Requests);
        }
    }
}

fn selects(profile: &ObservabilityProfile, workload: &Workload) -> bool {
    selects_labels(profile, |key| workload.labels.get(key).map(String::as_str))
}

fn selects_labels<'a>(
    profile: &ObservabilityProfile,
    label: impl Fn(&str) -> Option<&'a str>,
) -> bool {
    profile
        .spec
        .workloads
        .as_ref()
        .is_some_and(|workloads| workloads.selector.matches(label))
}

fn planned(kind: ObjectKind, profile: &str) -> PlannedChange {
    PlannedChange {
        action: "Apply".to_owned(),
        kind: kind.as_str().to_owned(),
        name: tracewright_xray::contract::name::receiver(profile),
        field: None,
        from: None,
        to: None,
    }
}

/// Names of the variables that the first selected workload's first container receives.
fn names(
    profile: &ObservabilityProfile,
    selected: &[Covered],
    receiver: Option<&str>,
    region: Option<&str>,
) -> Vec<String> {
    let Some(workloads) = &profile.spec.workloads else {
        return Vec::new();
    };
    let Some(first) = selected.first().map(|one| &one.workload) else {
        return Vec::new();
    };
    let all = first
        .containers
        .iter()
        .map(|container| container.name.as_str());
    let Some(container) =
        tracewright_core::env::containers(workloads.containers.as_deref(), all).next()
    else {
        return Vec::new();
    };
    let target = tracewright_core::env::Target {
        spec: &profile.spec,
        namespace: &first.namespace,
        kind: first.kind,
        workload: &first.name,
        container,
        receiver,
        region,
    };
    tracewright_core::env::render(tracewright_core::env::RENDER_VERSION, &target)
        .unwrap_or_default()
        .into_iter()
        .map(|variable| variable.name)
        .collect()
}
