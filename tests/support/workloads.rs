//! Profiles and workloads of one namespace, as tests of the cluster side look at them: as JSON, so that nothing is lost on
//! the way.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::{ConfigMap, Event, Pod, Secret};
use kube::api::{
    Api, ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams,
};
use kube::core::GroupVersionKind;
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use tracewright_core::crd::ObservabilityProfile;
use tracewright_core::crd::status::{ObservabilityProfileStatus, WorkloadStatus};
use tracewright_core::workload::WorkloadKind;

use crate::control_plane::{AuditEvent, AuditMark, ControlPlane};
use crate::eventually::{LONG, SHORT, eventually};
use crate::installation::{self, Installation};
use crate::namespace::Namespace;
use crate::operator::Operator;

/// The annotation by which kwok's pods crash if they have the variable that it names.
pub const CRASH_WITH_ENV: &str = "tests.tracewright.dev/crash-with-env";

/// Type, reason and note of an Event.
pub type Told = (String, String, String);

/// One namespace with its profiles and workloads.
pub struct Team {
    namespace: Namespace,
    kubeconfig: PathBuf,
    /// The shared cluster, which is never dropped, if it is in that.
    shared: Option<&'static Installation>,
}

impl Drop for Team {
    fn drop(&mut self) {
        if let Some(shared) = self.shared {
            shared.keep_used_rights();
        }
    }
}

/// A cluster and the operator that looks after it.
pub struct Ground {
    /// The cluster.
    pub there: Installation,
    /// The operator, with its default bounds.
    pub operator: Operator,
}

impl Ground {
    /// A cluster of its own.
    ///
    /// # Errors
    /// It could not be started.
    pub async fn new() -> Result<Self> {
        let there = Installation::with_controllers().await?;
        let mut operator = there
            .operator()
            // The pods of the test cluster run nothing that could be asked.
            .env("TRACEWRIGHT_RECEIVER_CHECK", "pods")
            // Tests run side by side and do not wait for one another.
            .env("TRACEWRIGHT_MAX_CONCURRENT_ROLLOUTS", "1000")
            .start()?;
        operator.ready().await?;
        Ok(Self { there, operator })
    }

    /// The cluster that all tests of this process share that need none of their own.
    ///
    /// # Errors
    /// It could not be started; every test that asks gets the same answer.
    pub async fn shared() -> Result<&'static Self> {
        static SHARED: OnceCell<Result<Ground, String>> = OnceCell::const_new();
        let start = async || Self::new().await.map_err(|error| format!("{error:#}"));
        let shared = SHARED.get_or_init(start).await;
        shared.as_ref().map_err(|error| anyhow::anyhow!("{error}"))
    }

    /// Waits until a profile has been looked at once more, after `change`. It must be the only one of the cluster.
    ///
    /// # Errors
    /// `change` fails, or it is not in time.
    pub async fn looked_after<T>(&self, change: impl Future<Output = Result<T>>) -> Result<T> {
        let metric = "tracewright_reconciles_total";
        let before = self.operator.metric(metric).await?;
        let changed = change.await?;
        eventually(SHORT, "the profile was looked at", async || {
            match self.operator.metric(metric).await {
                Ok(now) if now > before => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await?;
        Ok(changed)
    }
}

impl Team {
    /// A namespace of its own in the shared cluster.
    ///
    /// # Errors
    /// The cluster could not be started, or the API server refuses.
    pub async fn new() -> Result<Self> {
        let shared = &Ground::shared().await?.there;
        let mut team = Self::of(shared).await?;
        team.shared = Some(shared);
        Ok(team)
    }

    /// A namespace of its own in that cluster.
    ///
    /// # Errors
    /// The API server refuses.
    pub async fn of(there: &Installation) -> Result<Self> {
        Self::on(there.control_plane()).await
    }

    async fn on(control_plane: &ControlPlane) -> Result<Self> {
        Ok(Self {
            namespace: Namespace::create(control_plane, "shop").await?,
            kubeconfig: control_plane.kubeconfig(),
            shared: None,
        })
    }

    /// The namespace.
    #[must_use]
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// The admin's kubeconfig.
    #[must_use]
    pub fn kubeconfig(&self) -> &std::path::Path {
        &self.kubeconfig
    }

    /// The workloads of a kind.
    #[must_use]
    pub fn workloads(&self, kind: WorkloadKind) -> Api<DynamicObject> {
        let group = match kind {
            WorkloadKind::CronJob => "batch",
            WorkloadKind::Deployment | WorkloadKind::StatefulSet | WorkloadKind::DaemonSet => {
                "apps"
            }
        };
        let kind = GroupVersionKind::gvk(group, "v1", kind.as_str());
        Api::namespaced_with(
            self.namespace.client(),
            self.namespace.name(),
            &ApiResource::from_gvk(&kind),
        )
    }

    /// Creates a workload.
    ///
    /// # Errors
    /// The API server refuses.
    pub async fn create(&self, manifest: &Value) -> Result<Value> {
        let kind = kind_of(manifest)?;
        let object: DynamicObject = serde_json::from_value(manifest.clone())?;
        let made = self
            .workloads(kind)
            .create(&PostParams::default(), &object)
            .await?;
        Ok(serde_json::to_value(made)?)
    }

    /// A workload as it is.
    ///
    /// # Errors
    /// There is none.
    pub async fn get(&self, kind: WorkloadKind, name: &str) -> Result<Value> {
        Ok(serde_json::to_value(self.workloads(kind).get(name).await?)?)
    }

    /// Merges into a workload (RFC 7386), as its user.
    ///
    /// # Errors
    /// The API server refuses.
    pub async fn merge(&self, kind: WorkloadKind, name: &str, patch: &Value) -> Result<Value> {
        let params = PatchParams::default();
        let patch = Patch::Merge(patch);
        let made = self.workloads(kind).patch(name, &params, &patch).await?;
        Ok(serde_json::to_value(made)?)
    }

    /// Merges into a workload by the names of its containers and variables, as its user.
    ///
    /// # Errors
    /// The API server refuses.
    pub async fn strategic(&self, kind: WorkloadKind, name: &str, patch: &Value) -> Result<Value> {
        let params = PatchParams::default();
        let patch = Patch::Strategic(patch);
        let made = self.workloads(kind).patch(name, &params, &patch).await?;
        Ok(serde_json::to_value(made)?)
    }

    /// Applies a profile.
    ///
    /// # Errors
    /// The API server refuses it.
    pub async fn profile(&self, name: &str, spec: Value) -> Result<ObservabilityProfile> {
        installation::apply(&self.profiles(), name, spec).await
    }

    /// The profiles.
    #[must_use]
    pub fn profiles(&self) -> Api<ObservabilityProfile> {
        self.namespace.api()
    }

    /// Makes a Secret, or gives it other values.
    ///
    /// # Errors
    /// The API server refuses.
    pub async fn secret(&self, name: &str, values: Value) -> Result<()> {
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": values});
        let params = PatchParams::apply("user").force();
        let secrets = self.namespace.api::<Secret>();
        secrets.patch(name, &params, &Patch::Apply(&secret)).await?;
        Ok(())
    }

    /// Makes a ConfigMap.
    ///
    /// # Errors
    /// The API server refuses.
    pub async fn config_map(&self, name: &str, data: Value) -> Result<()> {
        let map: ConfigMap =
            serde_json::from_value(json!({"metadata": {"name": name}, "data": data}))?;
        let maps = self.namespace.api::<ConfigMap>();
        maps.create(&PostParams::default(), &map).await?;
        Ok(())
    }

    /// Asks for a workload until `look` is content with it.
    ///
    /// # Errors
    /// It is not in time; the error shows what `look` missed.
    pub async fn until<T>(
        &self,
        kind: WorkloadKind,
        name: &str,
        what: &str,
        look: impl Fn(&Value) -> Result<T, String>,
    ) -> Result<T> {
        let found = eventually(LONG, format!("{kind} {name}: {what}"), async || {
            let object = self
                .get(kind, name)
                .await
                .map_err(|error| error.to_string())?;
            look(&object)
        });
        Ok(found.await?)
    }

    /// Waits until a workload of the profile is in a state, for a reason if one is given.
    ///
    /// # Errors
    /// It is not in time.
    pub async fn item(&self, profile: &str, name: &str, state: &str) -> Result<WorkloadStatus> {
        self.status_until(LONG, profile, &format!("{name} is {state}"), |status| {
            let workloads = status.workloads.as_ref()?;
            let item = workloads.items.iter().find(|item| item.name == name)?;
            let (is, reason) = state.split_once(' ').unwrap_or((state, ""));
            let right = reason.is_empty() || item.reason.as_deref() == Some(reason);
            (item.state == is && right).then(|| item.clone())
        })
        .await
    }

    /// Waits until condition WorkloadsInjected has a status and reason, `False RollingOut`; its sentence.
    ///
    /// # Errors
    /// It has not in time.
    pub async fn condition(&self, profile: &str, type_: &str, expected: &str) -> Result<String> {
        self.status_until(LONG, profile, &format!("{type_} is {expected}"), |status| {
            let mut conditions = status.conditions.iter();
            let condition = conditions.find(|condition| condition.type_ == type_)?;
            let found = format!("{} {}", condition.status, condition.reason);
            (found == expected).then(|| condition.message.clone())
        })
        .await
    }

    /// Asks for the status of the profile as it is now until `look` is content with it.
    ///
    /// # Errors
    /// It is not in time; the error shows the status.
    pub async fn status_until<T>(
        &self,
        deadline: Duration,
        profile: &str,
        what: &str,
        look: impl Fn(&ObservabilityProfileStatus) -> Option<T>,
    ) -> Result<T> {
        let profiles = self.profiles();
        let seen = eventually(deadline, format!("{profile}: {what}"), async || {
            let profile = profiles
                .get(profile)
                .await
                .map_err(|error| error.to_string())?;
            let status = profile.status.ok_or("no status")?;
            if status.observed_generation != profile.metadata.generation {
                return Err("the status is of an earlier generation".to_owned());
            }
            look(&status).ok_or_else(|| format!("{:?} {:?}", status.workloads, status.conditions))
        });
        Ok(seen.await?)
    }

    /// Waits until all workloads that the profile selects have the variables in every pod, and how many those are.
    ///
    /// # Errors
    /// They have not in time.
    pub async fn injected(&self, profile: &str) -> Result<i32> {
        self.status_until(LONG, profile, "all workloads are injected", |status| {
            let workloads = status.workloads.as_ref()?;
            let all = workloads.matched > 0 && workloads.injected == workloads.matched;
            all.then_some(workloads.matched)
        })
        .await
    }

    /// The pods.
    ///
    /// # Errors
    /// The API server refuses.
    pub async fn pods(&self) -> Result<Vec<Pod>> {
        let pods = self.namespace.api::<Pod>();
        Ok(pods.list(&ListParams::default()).await?.items)
    }

    /// Deletes all pods, as somebody by hand.
    ///
    /// # Errors
    /// The API server refuses.
    pub async fn delete_pods(&self) -> Result<()> {
        let pods = self.namespace.api::<Pod>();
        pods.delete_collection(&DeleteParams::default(), &ListParams::default())
            .await?;
        Ok(())
    }

    /// Waits until Events with these types and reasons ("Warning EnvContested") tell of a profile, and gives all that there are.
    /// The operator writes them after the status that they tell of: whoever has seen the status must wait for them still.
    ///
    /// # Errors
    /// One of them does not come.
    pub async fn told(&self, profile: &str, expected: &[&str]) -> Result<Vec<Told>> {
        let what = format!("{profile}: there are Events {expected:?}");
        let told = eventually(SHORT, what, async || {
            let events = self.events(profile).await?;
            for one in expected {
                let there = events
                    .iter()
                    .any(|(type_, reason, _)| format!("{type_} {reason}") == *one);
                ensure!(there, "{events:?}");
            }
            Ok(events)
        });
        Ok(told.await?)
    }

    /// Types, reasons and notes of the Events about a profile that there are already, the oldest first.
    ///
    /// # Errors
    /// The API server refuses.
    pub async fn events(&self, profile: &str) -> Result<Vec<Told>> {
        let of = ListParams::default().fields(&format!("involvedObject.name={profile}"));
        let mut events = self.namespace.api::<Event>().list(&of).await?.items;
        events.sort_by_key(|event| event.event_time.as_ref().map(|time| time.0));
        Ok(events
            .into_iter()
            .map(|event| {
                (
                    event.type_.unwrap_or_default(),
                    event.reason.unwrap_or_default(),
                    event.message.unwrap_or_default(),
                )
            })
            .collect())
    }

    /// How often the operator has asked for pods of this namespace since a mark.
    ///
    /// # Errors
    /// There is no audit log.
    pub fn looks_at_pods(&self, there: &Installation, since: AuditMark) -> Result<usize> {
        let user = there.operator_user();
        let pods = |event: &AuditEvent| {
            let object = event.object_ref.as_ref();
            event.user.username == user
                && object.is_some_and(|object| {
                    object.resource == "pods" && object.namespace == self.namespace.name()
                })
        };
        let events = there.control_plane().audit(since)?;
        Ok(events.iter().filter(|event| pods(event)).count())
    }

    /// Writes of the operator to objects of this namespace since a mark, as `verb resource/subresource name`.
    ///
    /// # Errors
    /// There is no audit log.
    pub fn writes(&self, there: &Installation, since: AuditMark) -> Result<Vec<String>> {
        let user = there.operator_user();
        let own = |event: &AuditEvent| {
            event.user.username == user
                && event.stage == "ResponseComplete"
                && !["get", "list", "watch"].contains(&event.verb.as_str())
        };
        let events = there.control_plane().audit(since)?;
        let writes = events.into_iter().filter(own).filter_map(|event| {
            let object = event.object_ref?;
            let here = object.namespace == self.namespace.name();
            here.then(|| {
                let resource = [object.resource, object.subresource];
                let resource = resource.join("/");
                format!(
                    "{} {} {}",
                    event.verb,
                    resource.trim_end_matches('/'),
                    object.name
                )
            })
        });
        Ok(writes.collect())
    }
}

/// A workload of one container, labelled `app: <name>`. Its CronJob never starts by itself.
#[must_use]
pub fn manifest(kind: WorkloadKind, name: &str) -> Value {
    let labels = json!({"app": name});
    let template = json!({
        "metadata": {"labels": labels},
        "spec": {"containers": [{
            "name": "app",
            "image": "example.com/app:1",
            "env": [{"name": "OWN", "value": "1"}],
        }]},
    });
    let selector = json!({"matchLabels": labels});
    let (version, spec) = match kind {
        WorkloadKind::Deployment => (
            "apps/v1",
            json!({"replicas": 2, "selector": selector, "template": template}),
        ),
        WorkloadKind::StatefulSet => (
            "apps/v1",
            json!({"replicas": 2, "serviceName": name, "selector": selector, "template": template}),
        ),
        WorkloadKind::DaemonSet => (
            "apps/v1",
            json!({"selector": selector, "template": template}),
        ),
        WorkloadKind::CronJob => {
            let mut template = template;
            template["spec"]["restartPolicy"] = "Never".into();
            (
                "batch/v1",
                json!({"schedule": "0 0 1 1 *", "jobTemplate": {"spec": {"template": template}}}),
            )
        }
    };
    json!({
        "apiVersion": version,
        "kind": kind.as_str(),
        "metadata": {"name": name, "labels": labels},
        "spec": spec,
    })
}

fn kind_of(manifest: &Value) -> Result<WorkloadKind> {
    let mut kinds = WorkloadKind::ALL.into_iter();
    kinds
        .find(|kind| manifest["kind"] == kind.as_str())
        .with_context(|| format!("{} is no workload", manifest["kind"]))
}

/// A workload's pod template.
#[must_use]
pub fn template(object: &Value) -> &Value {
    let kind = kind_of(object).unwrap_or(WorkloadKind::Deployment);
    let path = kind.template_path().iter();
    path.fold(object, |object, field| &object[*field])
}

/// The same, to change it.
pub fn template_mut(object: &mut Value) -> &mut Value {
    let kind = kind_of(object).unwrap_or(WorkloadKind::Deployment);
    let path = kind.template_path().iter();
    path.fold(object, |object, field| &mut object[*field])
}

/// The `env` of a container.
#[must_use]
pub fn env<'a>(object: &'a Value, container: &str) -> &'a [Value] {
    let containers = template(object)["spec"]["containers"].as_array();
    containers
        .into_iter()
        .flatten()
        .find(|one| one["name"] == container)
        .and_then(|one| one["env"].as_array())
        .map_or(&[], Vec::as_slice)
}

/// The entry of a variable in the container `app`.
#[must_use]
pub fn entry<'a>(object: &'a Value, variable: &str) -> Option<&'a Value> {
    env(object, "app")
        .iter()
        .find(|entry| entry["name"] == variable)
}

/// The literal value of a variable in the container `app`.
#[must_use]
pub fn value<'a>(object: &'a Value, variable: &str) -> Option<&'a str> {
    entry(object, variable)?["value"].as_str()
}

/// Names of the variables of the container `app`, in order.
#[must_use]
pub fn names(object: &Value) -> Vec<&str> {
    let entries = env(object, "app").iter();
    entries.filter_map(|entry| entry["name"].as_str()).collect()
}

/// Whether anything of ours is in a workload.
#[must_use]
pub fn traces_of_ours(object: &Value) -> bool {
    let spec = object["spec"].to_string();
    object["metadata"]["annotations"]["tracewright.dev/injected"].is_string()
        || ["tracewright.dev/env-hash", "TRACEWRIGHT_", "OTEL_"]
            .iter()
            .any(|mark| spec.contains(mark))
}

/// What its user wrote: the specification without anything that is ours or the API server's book-keeping.
///
/// # Panics
/// If the value is no workload.
#[must_use]
pub fn users(object: &Value, ours: &[&str]) -> Value {
    let mut object = object.clone();
    let template = template_mut(&mut object);
    if let Some(annotations) = template["metadata"]["annotations"].as_object_mut() {
        annotations.remove("tracewright.dev/env-hash");
    }
    for list in ["containers", "initContainers"] {
        for container in template["spec"][list].as_array_mut().into_iter().flatten() {
            if let Some(env) = container["env"].as_array_mut() {
                env.retain(|entry| !ours.contains(&entry["name"].as_str().unwrap_or_default()));
            }
        }
    }
    without_nothing(object["spec"].take())
}

/// Empty lists, empty objects and nulls mean what absence means.
fn without_nothing(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields
                .into_iter()
                .map(|(name, value)| (name, without_nothing(value)))
                .filter(|(_, value)| !matches!(value, Value::Null))
                .filter(|(_, value)| *value != json!({}) && *value != json!([]));
            Value::Object(fields.collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(without_nothing).collect()),
        other => other,
    }
}
