//! The namespaces that are looked after: all, by one watch of each kind; or a list, by watches in each of them, for which
//! Roles in these namespaces are enough.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::Namespace;
use kube::core::PartialObjectMeta;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;

use super::gate::Gates;

/// Objects per page of a first list.
const PAGE_SIZE: u32 = 100;
/// How often the listed namespaces are read. A Role cannot allow to watch its own namespace, only to get it.
const POLL: Duration = Duration::from_secs(5);

/// What a watch brings.
pub type Events<K> = BoxStream<'static, watcher::Result<Event<K>>>;

/// Namespaces by name; none stands for all.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    namespaces: Vec<String>,
    gates: Gates,
    /// Namespaces of the list that can be read no more, and of which the last known stands.
    stale: Arc<Mutex<BTreeSet<String>>>,
}

impl Scope {
    /// These namespaces, or all if there are none.
    #[must_use]
    pub fn new(mut namespaces: Vec<String>) -> Self {
        namespaces.sort();
        namespaces.dedup();
        let gates = Gates::new(&namespaces);
        Self {
            namespaces,
            gates,
            stale: Arc::default(),
        }
    }

    /// The list; empty for all.
    #[must_use]
    pub fn namespaces(&self) -> &[String] {
        &self.namespaces
    }

    /// Those of the list that are gone, or that the operator has no rights in.
    #[must_use]
    pub fn unreadable(&self) -> BTreeSet<String> {
        self.gates.unreadable()
    }

    /// Whether what is known of a namespace is what was known before it could be read no more.
    #[must_use]
    pub fn is_stale(&self, namespace: &str) -> bool {
        self.stale().contains(namespace)
    }

    /// Whether not everything of a namespace is listed yet, though its profiles are.
    #[must_use]
    pub fn is_unsettled(&self, namespace: &str) -> bool {
        self.gates.is_unsettled(namespace)
    }

    fn stale(&self) -> MutexGuard<'_, BTreeSet<String>> {
        // It is replaced as a whole, so a poisoned one is still right.
        self.stale.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Watches the profiles, with backoff, as if it were one watch. One namespace of a list that cannot be read holds up
    /// nothing in the others.
    pub fn watch_profiles<K>(&self, client: &Client) -> Events<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
        K: Clone + DeserializeOwned + Debug + Send + 'static,
    {
        self.watch_each(client, Gates::decide)
    }

    /// Watches a kind of object that profiles are about, in the same way; in each namespace after its profiles, without
    /// which nobody knows what the objects have to do with the operator.
    pub fn watch<K>(&self, client: &Client) -> Events<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
        K: Clone + DeserializeOwned + Debug + Send + 'static,
    {
        self.watch_each(client, Gates::follow)
    }

    fn watch_each<K>(
        &self,
        client: &Client,
        gated: impl Fn(&Gates, &str, Events<K>) -> Events<K>,
    ) -> Events<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
        K: Clone + DeserializeOwned + Debug + Send + 'static,
    {
        let watch = |api: Api<K>| -> Events<K> {
            let config = watcher::Config::default().page_size(PAGE_SIZE);
            watcher(api, config).default_backoff().boxed()
        };
        let one = |namespace: &String| {
            let watch = watch(Api::namespaced(client.clone(), namespace));
            gated(&self.gates, namespace, watch)
        };
        match &self.namespaces[..] {
            [] => watch(Api::all(client.clone())),
            [namespace] => one(namespace),
            namespaces => merge(namespaces.iter().map(one).collect()).boxed(),
        }
    }

    /// Watches the namespaces themselves.
    pub fn watch_namespaces(&self, client: &Client) -> Events<PartialObjectMeta<Namespace>> {
        let api = Api::<PartialObjectMeta<Namespace>>::all(client.clone());
        if self.namespaces.is_empty() {
            let config = watcher::Config::default().page_size(PAGE_SIZE);
            return watcher(api, config).default_backoff().boxed();
        }
        let api = Api::<Namespace>::all(client.clone());
        let start = (self.clone(), HashMap::new(), false);
        stream::unfold(start, move |(scope, known, begun)| {
            let api = api.clone();
            async move {
                if begun {
                    tokio::time::sleep(POLL).await;
                }
                Some(match read(&api, &scope.namespaces, &known).await {
                    Ok((now, stale)) => {
                        *scope.stale() = stale;
                        let events = if begun {
                            difference(&known, &now)
                        } else {
                            whole(now.values().cloned())
                        };
                        (events.into_iter().map(Ok).collect(), (scope, now, true))
                    }
                    Err(error) => {
                        if !begun {
                            tokio::time::sleep(POLL).await;
                        }
                        let error = watcher::Error::InitialListFailed(error);
                        (vec![Err(error)], (scope, known, begun))
                    }
                })
            }
        })
        .flat_map(stream::iter)
        .boxed()
    }
}

type Known<K> = HashMap<String, K>;

/// The namespaces, and those that may be read no more. What was known of these stays, for the profiles that go with them: most
/// often such a namespace is being deleted, and its Role went first.
async fn read(
    api: &Api<Namespace>,
    names: &[String],
    before: &Known<PartialObjectMeta<Namespace>>,
) -> kube::Result<(Known<PartialObjectMeta<Namespace>>, BTreeSet<String>)> {
    let (mut known, mut stale) = (HashMap::new(), BTreeSet::new());
    for name in names {
        let found = match api.get_metadata_opt(name).await {
            Err(kube::Error::Api(status)) if status.is_forbidden() => {
                stale.insert(name.clone());
                before.get(name).cloned()
            }
            answer => answer?,
        };
        if let Some(namespace) = found {
            known.insert(name.clone(), namespace);
        }
    }
    Ok((known, stale))
}

/// What changed between two looks.
fn difference<K: ResourceExt + Clone>(before: &Known<K>, now: &Known<K>) -> Vec<Event<K>> {
    let changed = now.iter().filter(|(name, object)| {
        before.get(*name).map(ResourceExt::resource_version) != Some(object.resource_version())
    });
    let gone = before.iter().filter(|(name, _)| !now.contains_key(*name));
    changed
        .map(|(_, object)| Event::Apply(object.clone()))
        .chain(gone.map(|(_, object)| Event::Delete(object.clone())))
        .collect()
}

/// A whole list, as a watch that begins brings it.
fn whole<K>(objects: impl IntoIterator<Item = K>) -> Vec<Event<K>> {
    std::iter::once(Event::Init)
        .chain(objects.into_iter().map(Event::InitApply))
        .chain(std::iter::once(Event::InitDone))
        .collect()
}

/// Several watches as one: its list is complete once each of theirs is, and is brought whole again when one of them begins
/// anew.
fn merge<K: ResourceExt + Clone + Send + 'static>(
    watches: Vec<Events<K>>,
) -> impl Stream<Item = watcher::Result<Event<K>>> + Send {
    let mut parts: Vec<Part<K>> = watches.iter().map(|_| Part::default()).collect();
    let numbered = watches
        .into_iter()
        .enumerate()
        .map(|(part, watch)| watch.map(move |event| (part, event)).boxed());
    stream::select_all(numbered).flat_map(move |(part, event)| {
        let events = match event {
            Ok(event) => take(&mut parts, part, event).into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error)],
        };
        stream::iter(events)
    })
}

/// What is known of one watch.
struct Part<K> {
    objects: Known<K>,
    listing: Known<K>,
    listed: bool,
}

impl<K> Default for Part<K> {
    fn default() -> Self {
        Self {
            objects: HashMap::new(),
            listing: HashMap::new(),
            listed: false,
        }
    }
}

/// Takes an event of one of the watches in, and says what it is for the whole.
fn take<K: ResourceExt + Clone>(
    parts: &mut [Part<K>],
    part: usize,
    event: Event<K>,
) -> Vec<Event<K>> {
    let whole_before = parts.iter().all(|part| part.listed);
    let Some(one) = parts.get_mut(part) else {
        return Vec::new();
    };
    match event {
        Event::Init => {
            one.listing = HashMap::new();
            Vec::new()
        }
        Event::InitApply(object) => {
            one.listing.insert(object.name_any(), object);
            Vec::new()
        }
        Event::InitDone => {
            one.objects = std::mem::take(&mut one.listing);
            one.listed = true;
            if parts.iter().all(|part| part.listed) {
                whole(parts.iter().flat_map(|part| part.objects.values().cloned()))
            } else {
                Vec::new()
            }
        }
        Event::Apply(object) => {
            one.objects.insert(object.name_any(), object.clone());
            whole_before
                .then_some(Event::Apply(object))
                .into_iter()
                .collect()
        }
        Event::Delete(object) => {
            one.objects.remove(&object.name_any());
            whole_before
                .then_some(Event::Delete(object))
                .into_iter()
                .collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::api::ObjectMeta;

    fn object(name: &str, version: &str) -> ConfigMap {
        ConfigMap {
            metadata: ObjectMeta {
                name: Some(name.to_owned()),
                resource_version: Some(version.to_owned()),
                ..ObjectMeta::default()
            },
            ..ConfigMap::default()
        }
    }

    fn shown(events: Vec<Event<ConfigMap>>) -> Vec<String> {
        let mut shown: Vec<String> = events.iter().map(ToString::to_string).collect();
        // Objects of a list come in no order.
        if let [_, objects @ .., _] = &mut shown[..] {
            objects.sort();
        }
        shown
    }

    #[test]
    fn the_list_is_whole_once_each_part_has_listed_and_nothing_that_went_meanwhile_is_in_it() {
        let mut parts = [Part::default(), Part::default()];
        let mut give = |part, event| shown(take(&mut parts, part, event));
        for event in [
            Event::Init,
            Event::InitApply(object("a", "1")),
            Event::InitApply(object("b", "1")),
            Event::InitDone,
        ] {
            assert!(give(0, event).is_empty());
        }
        assert!(give(0, Event::Delete(object("b", "2"))).is_empty());
        assert!(give(0, Event::Apply(object("c", "3"))).is_empty());
        assert!(give(1, Event::Init).is_empty());
        assert!(give(1, Event::InitApply(object("z", "1"))).is_empty());
        assert_eq!(
            give(1, Event::InitDone),
            [
                "Init",
                "InitApply(a)",
                "InitApply(c)",
                "InitApply(z)",
                "InitDone"
            ]
        );
        assert_eq!(give(1, Event::Apply(object("y", "4"))), ["Apply(y)"]);
        assert_eq!(give(0, Event::Delete(object("a", "5"))), ["Delete(a)"]);
    }

    #[test]
    fn a_part_that_begins_anew_brings_the_whole_list_again() {
        let mut parts = [Part::default(), Part::default()];
        let mut give = |part, event| shown(take(&mut parts, part, event));
        for part in [0, 1] {
            give(part, Event::Init);
            give(part, Event::InitApply(object(["a", "z"][part], "1")));
            give(part, Event::InitDone);
        }
        give(0, Event::Init);
        give(0, Event::InitApply(object("b", "2")));
        assert_eq!(
            give(0, Event::InitDone),
            ["Init", "InitApply(b)", "InitApply(z)", "InitDone"]
        );
    }

    #[test]
    fn between_two_looks_only_what_changed_is_told() {
        let look = |objects: &[(&str, &str)]| -> Known<ConfigMap> {
            let named = objects
                .iter()
                .map(|(name, version)| ((*name).to_owned(), object(name, version)));
            named.collect()
        };
        let before = look(&[("same", "1"), ("changed", "1"), ("gone", "1")]);
        let now = look(&[("same", "1"), ("changed", "2")]);
        assert_eq!(
            shown(difference(&before, &now)),
            ["Apply(changed)", "Delete(gone)"]
        );
        assert!(difference(&now, &now).is_empty());
    }
}
