//! The cluster side of a profile: receivers and workloads.

mod inject;
mod lookups;
pub mod receiver;
mod slim;
pub mod store;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, StatefulSet};
use k8s_openapi::api::batch::v1::CronJob;
use kube::{Client, ResourceExt};
use tracewright_core::crd::status::{PlannedChange, WorkloadsStatus};
use tracewright_core::crd::{Mode, ObservabilityProfile, OnFailure};
use tracewright_core::env::secret_keys;
use tracewright_core::identity::ProfileRef;
use tracewright_core::inject::{
    Candidate, Demand, Facts, Patch, decide, env_from_sources, holder, uninject,
};
use tracewright_core::plan::Note;
use tracewright_core::receiver::{Defaults, ObjectKind, address, objects};
use tracewright_core::report::Fact;
use tracewright_core::rollout::{Rollout, judge, max_concurrent};
use tracewright_core::workload::Workload;
use tracewright_xray::contract::condition::reason;
use tracewright_xray::contract::{annotation, label};

use self::inject::{Queue, Selected};
use self::lookups::Lookups;
use self::receiver::{Check, Receivers};
use self::store::{Key, Workloads};
use crate::lease::Permit;
use crate::operator::watches::Watches;
use crate::operator::world::{World, reference};

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
    /// Workloads from which a deleted profile's variables were taken, until they have rolled out.
    withdrawn: Mutex<HashMap<ProfileRef, Vec<Key>>>,
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

/// How far the workloads are without the variables.
#[derive(Clone, Debug)]
pub struct Withdrawn {
    /// No workload has them any more.
    pub done: bool,
    /// What is waited for.
    pub message: String,
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
    ) -> Result<Self, reqwest::Error> {
        Ok(Self {
            receivers: Receivers::new(client.clone(), settings.check)?,
            lookups: Lookups::new(client.clone()),
            client,
            settings,
            world,
            permit,
            workloads: Arc::default(),
            queue: Queue::default(),
            withdrawn: Mutex::default(),
        })
    }

    /// Watches workloads of all kinds; `request` asks for reconciles of the profiles that a changed one concerns.
    pub async fn watch(&self, watches: Arc<Watches>, request: impl Fn(&ProfileRef) + Clone) {
        let changed = |before: Option<&Workload>, after: Option<&Workload>| {
            for profile in self.concerned(before, after) {
                request(&profile);
            }
        };
        let watch = || (self.client.clone(), watches.clone());
        let ((a, b), (c, d), (e, f), (g, h)) = (watch(), watch(), watch(), watch());
        tokio::join!(
            self.workloads.clone().watch::<Deployment>(a, b, changed),
            self.workloads.clone().watch::<StatefulSet>(c, d, changed),
            self.workloads.clone().watch::<DaemonSet>(e, f, changed),
            self.workloads.clone().watch::<CronJob>(g, h, changed),
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
        self.world
            .profiles
            .state()
            .iter()
            .filter(|profile| profile.metadata.namespace.as_deref() == Some(namespace))
            .filter(|profile| {
                let name = profile.name_any();
                either().any(|workload| {
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
        let receiver = if writes {
            let find =
                |kind, name: &str| self.workloads.get(&me.namespace, &(kind, name.to_owned()));
            self.receivers
                .sync(profile, &defaults, receiver_address.as_deref(), find)
                .await
        } else {
            Fact::unknown(
                reason::PREVIEW,
                "spec.mode is Preview: receivers are not touched",
            )
        };
        let selected = self
            .select(profile, receiver_address.as_deref(), region.as_deref())
            .await;
        let generation = profile.metadata.generation.unwrap_or_default();
        let (chosen, failures) = if writes {
            self.write(profile, &selected, generation).await
        } else {
            Default::default()
        };
        let (workloads, injected) = inject::report(&selected, &chosen, &failures);
        let preview = if profile.spec.mode == Mode::Preview {
            let mut preview: Vec<PlannedChange> = objects(profile, &defaults)
                .iter()
                .map(|object| planned(object.kind, &me.name))
                .collect();
            preview.extend(inject::preview(&selected));
            preview
        } else {
            Vec::new()
        };
        ClusterFacts {
            receiver,
            injected,
            workloads,
            env: names(
                profile,
                &selected,
                receiver_address.as_deref(),
                region.as_deref(),
            ),
            preview,
            notes: Vec::new(),
        }
    }

    async fn select(
        &self,
        profile: &ObservabilityProfile,
        receiver: Option<&str>,
        region: Option<&str>,
    ) -> Vec<Selected> {
        let me = reference(profile);
        let generation = profile.metadata.generation.unwrap_or_default();
        let workloads: Vec<Arc<Workload>> = self
            .workloads
            .of(&me.namespace)
            .into_iter()
            .filter(|workload| !workload.deleting && selects(profile, workload))
            // A receiver is not a service, whatever its labels say.
            .filter(|workload| !workload.labels.contains_key(label::PROFILE))
            .collect();
        if workloads.is_empty() {
            return Vec::new();
        }
        let others = self.candidates(&me.namespace);
        let annotations = self.world.annotations(&me.namespace);
        let missing = self
            .lookups
            .missing(&me.namespace, secret_keys(&profile.spec))
            .await;
        let demand = Demand {
            profile: &me.name,
            generation,
            spec: &profile.spec,
            receiver,
            region,
        };
        let mut selected = Vec::with_capacity(workloads.len());
        for workload in workloads {
            let candidates: Vec<Candidate<'_>> = others
                .iter()
                .filter(|other| selects(other, &workload))
                .filter_map(|other| {
                    let created = other.metadata.creation_timestamp.as_ref()?.0;
                    Some(Candidate {
                        profile: other.metadata.name.as_deref()?,
                        created,
                    })
                })
                .collect();
            let env_from = self
                .lookups
                .keys(&me.namespace, env_from_sources(&workload, &profile.spec))
                .await;
            let facts = Facts {
                holder: holder(workload.record.as_ref(), &candidates),
                namespace_annotations: &annotations,
                env_from: &env_from,
                missing_secrets: &missing,
            };
            let injection = decide(&workload, &demand, &facts);
            let rollout = judge(&workload, &[]);
            let current = workload.record.as_ref().is_some_and(|record| {
                record.profile == me.name && record.generation == generation && !record.reverted
            });
            selected.push(Selected {
                contested: self.workloads.contested(&workload, generation),
                failed: current && matches!(rollout, Rollout::Failed(_)),
                injection,
                rollout,
                workload,
            });
        }
        selected
    }

    async fn write(
        &self,
        profile: &ObservabilityProfile,
        selected: &[Selected],
        generation: i64,
    ) -> (Vec<Key>, BTreeMap<Key, String>) {
        let me = reference(profile);
        let places = inject::places(&me, max_concurrent(&profile.spec), selected);
        let chosen = self
            .queue
            .choose(&me, places, self.settings.max_concurrent_rollouts);
        let mut failures = inject::write(&self.client, &self.workloads, selected, &chosen).await;
        let reverts = profile
            .spec
            .workloads
            .as_ref()
            .and_then(|workloads| workloads.rollout.as_ref())
            .is_some_and(|rollout| rollout.on_failure == OnFailure::Revert);
        for one in selected.iter().filter(|one| reverts && one.failed) {
            let reverted =
                inject::take_back(&self.client, &self.workloads, one, &me.name, generation).await;
            if let Err(message) = reverted {
                failures.insert((one.workload.kind, one.workload.name.clone()), message);
            }
        }
        // What carries this profile's record and is no longer selected goes back to how it was.
        for workload in self.held(&me) {
            let still = selected.iter().any(|one| one.workload.uid == workload.uid);
            if !still
                && let Some(patch) = uninject(&workload)
                && let Err(message) =
                    inject::patch_workload(&self.client, &self.workloads, &workload, &patch).await
            {
                tracing::warn!(profile = %me, workload = workload.name, message, "cannot be un-injected");
            }
        }
        (chosen, failures)
    }

    /// Takes the variables out of the workloads again.
    pub async fn withdraw(&self, profile: &ObservabilityProfile) -> Withdrawn {
        let me = reference(profile);
        self.queue.forget(&me);
        let mut waiting = Vec::new();
        for workload in self.held(&me) {
            let key = (workload.kind, workload.name.clone());
            self.withdrawn().entry(me.clone()).or_default().push(key);
            let Some(patch) = uninject(&workload) else {
                continue;
            };
            match inject::patch_workload(&self.client, &self.workloads, &workload, &patch).await {
                Ok(()) => waiting.push(format!("{} {} rolls out", workload.kind, workload.name)),
                Err(message) => {
                    waiting.push(format!(
                        "{} {} cannot be patched: {message}",
                        workload.kind, workload.name
                    ));
                }
            }
        }
        let withdrawn = self.withdrawn().get(&me).cloned().unwrap_or_default();
        for key in withdrawn {
            if let Some(workload) = self.workloads.get(&me.namespace, &key)
                && matches!(judge(&workload, &[]), Rollout::Rolling)
            {
                waiting.push(format!("{} {} rolls out", workload.kind, workload.name));
            }
        }
        waiting.sort();
        waiting.dedup();
        if waiting.is_empty() {
            self.withdrawn().remove(&me);
        }
        Withdrawn {
            done: waiting.is_empty(),
            message: waiting.join(", "),
        }
    }

    /// Leaves the variables in the workloads and forgets that they are ours.
    pub async fn release(&self, profile: &ObservabilityProfile) {
        let me = reference(profile);
        self.queue.forget(&me);
        for workload in self.held(&me) {
            let body = serde_json::json!({"metadata": {
                "resourceVersion": workload.resource_version,
                "annotations": {annotation::INJECTED: null},
            }});
            let patch = Patch {
                body,
                restarts_pods: false,
            };
            let done =
                inject::patch_workload(&self.client, &self.workloads, &workload, &patch).await;
            if let Err(message) = done {
                tracing::warn!(profile = %me, workload = workload.name, message, "cannot be released");
            }
        }
    }

    /// Takes variables out of workloads whose profile no longer exists.
    pub async fn sweep(&self) {
        if !self.permit.holds() {
            return;
        }
        for workload in self.workloads.marked() {
            let Some(record) = &workload.record else {
                continue;
            };
            let of = ProfileRef::new(workload.namespace.clone(), record.profile.clone());
            if self
                .world
                .profiles
                .state()
                .iter()
                .any(|profile| reference(profile) == of)
            {
                continue;
            }
            if let Some(patch) = uninject(&workload)
                && let Err(message) =
                    inject::patch_workload(&self.client, &self.workloads, &workload, &patch).await
            {
                tracing::warn!(workload = workload.name, message, "cannot be un-injected");
            }
        }
    }

    fn held(&self, profile: &ProfileRef) -> Vec<Arc<Workload>> {
        self.workloads
            .of(&profile.namespace)
            .into_iter()
            .filter(|workload| {
                workload
                    .record
                    .as_ref()
                    .is_some_and(|record| record.profile == profile.name)
            })
            .collect()
    }

    fn candidates(&self, namespace: &str) -> Vec<Arc<ObservabilityProfile>> {
        self.world
            .profiles
            .state()
            .into_iter()
            .filter(|profile| {
                profile.metadata.namespace.as_deref() == Some(namespace)
                    && profile.metadata.deletion_timestamp.is_none()
            })
            .collect()
    }

    fn withdrawn(&self) -> std::sync::MutexGuard<'_, HashMap<ProfileRef, Vec<Key>>> {
        // Only whole entries are put in, so a poisoned map is still usable.
        self.withdrawn
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn selects(profile: &ObservabilityProfile, workload: &Workload) -> bool {
    profile
        .spec
        .workloads
        .as_ref()
        .is_some_and(|workloads| workloads.selector.matches(&workload.labels))
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
    selected: &[Selected],
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
