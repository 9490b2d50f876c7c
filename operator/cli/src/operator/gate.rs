//! Listed namespaces that cannot be read: they hold up nothing in the others, and nothing is concluded from their silence.
//!
//! A namespace that is deleted takes its Role with it, and every question about it is answered 403 from then on. Whether a
//! namespace can be read is decided by its profiles: other objects are listed after them, so that nothing is taken for
//! forsaken by a profile that is not known yet.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::{StreamExt, stream};
use kube::runtime::watcher::{self, Event};
use tokio::sync::watch;
use tracing::{info, warn};

use super::scope::Events;

/// What is known of the right to read a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Readable {
    /// No answer yet.
    Unknown,
    /// The profiles are listed.
    Yes,
    /// The first list was refused; it is tried again and again.
    No,
}

#[derive(Debug)]
struct Gate {
    readable: watch::Sender<Readable>,
    /// Watches that wait for the profiles, or whose own first list is not in.
    unlisted: AtomicUsize,
}

/// One gate for each namespace of a list.
#[derive(Clone, Debug, Default)]
pub(super) struct Gates(Arc<BTreeMap<String, Arc<Gate>>>);

impl Gates {
    pub(super) fn new(namespaces: &[String]) -> Self {
        let gate = |name: &String| {
            let gate = Gate {
                readable: watch::Sender::new(Readable::Unknown),
                unlisted: AtomicUsize::new(0),
            };
            (name.clone(), Arc::new(gate))
        };
        Self(Arc::new(namespaces.iter().map(gate).collect()))
    }

    /// Namespaces whose first list was refused.
    pub(super) fn unreadable(&self) -> BTreeSet<String> {
        self.0
            .iter()
            .filter(|(_, gate)| *gate.readable.borrow() == Readable::No)
            .map(|(name, _)| name.clone())
            .collect()
    }

    /// Whether the profiles of a namespace are listed, and other objects are not yet.
    pub(super) fn is_unsettled(&self, namespace: &str) -> bool {
        self.0.get(namespace).is_some_and(|gate| {
            *gate.readable.borrow() == Readable::Yes && gate.unlisted.load(Ordering::Acquire) > 0
        })
    }

    /// The watch by which it is decided whether a namespace can be read. If it cannot, an empty list stands for it.
    pub(super) fn decide<K: Send + 'static>(&self, namespace: &str, watch: Events<K>) -> Events<K> {
        let Some(gate) = self.0.get(namespace).cloned() else {
            return watch;
        };
        let namespace = namespace.to_owned();
        let start = (watch, gate, false);
        stream::unfold(start, move |(mut watch, gate, listed)| {
            let namespace = namespace.clone();
            async move {
                // Whoever asks for the next event has taken the list in.
                if listed && gate.readable.send_replace(Readable::Yes) == Readable::No {
                    info!(namespace, "can be read now");
                }
                let event = watch.next().await?;
                let listed = matches!(event, Ok(Event::InitDone));
                let events = match event {
                    Err(error)
                        if *gate.readable.borrow() == Readable::Unknown && is_forbidden(&error) =>
                    {
                        warn!(
                            namespace,
                            "cannot be read: it is gone, or the operator has no rights in it. The other namespaces are \
                             looked after; take it out of watchNamespaces, or install the chart again if it is back"
                        );
                        gate.readable.send_replace(Readable::No);
                        vec![Err(error), Ok(Event::Init), Ok(Event::InitDone)]
                    }
                    event => vec![event],
                };
                Some((stream::iter(events), (watch, gate, listed)))
            }
        })
        .flatten()
        .boxed()
    }

    /// Another watch of a namespace: it begins when the profiles are listed, and until then an empty list stands for it if
    /// they cannot be.
    pub(super) fn follow<K: Send + 'static>(&self, namespace: &str, watch: Events<K>) -> Events<K> {
        let Some(gate) = self.0.get(namespace).cloned() else {
            return watch;
        };
        gate.unlisted.fetch_add(1, Ordering::AcqRel);
        let (mut decided, mut opened) = (gate.readable.subscribe(), gate.readable.subscribe());
        let empty = async move {
            let decision = decided.wait_for(|it| *it != Readable::Unknown).await;
            let refused = decision.is_ok_and(|it| *it == Readable::No);
            let list: Vec<watcher::Result<Event<K>>> = if refused {
                vec![Ok(Event::Init), Ok(Event::InitDone)]
            } else {
                Vec::new()
            };
            stream::iter(list)
        };
        let open = async move {
            // The gate lives as long as the operator: without one there is nothing to wait for.
            let _ = opened.wait_for(|it| *it == Readable::Yes).await;
            first_list_counted(watch, gate)
        };
        stream::once(empty)
            .flatten()
            .chain(stream::once(open).flatten())
            .boxed()
    }
}

/// The watch; once its first list was taken in, it is one less that is not listed.
fn first_list_counted<K: Send + 'static>(watch: Events<K>, gate: Arc<Gate>) -> Events<K> {
    let start = (watch, false, false);
    stream::unfold(start, move |(mut watch, listed, mut counted)| {
        let gate = gate.clone();
        async move {
            // Whoever asks for the next event has taken the list in.
            if listed && !counted {
                gate.unlisted.fetch_sub(1, Ordering::AcqRel);
                counted = true;
            }
            let event = watch.next().await?;
            let listed = matches!(event, Ok(Event::InitDone));
            Some((event, (watch, listed, counted)))
        }
    })
    .boxed()
}

fn is_forbidden(error: &watcher::Error) -> bool {
    matches!(
        error,
        watcher::Error::InitialListFailed(kube::Error::Api(status)) if status.is_forbidden()
    )
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use futures::channel::mpsc::{UnboundedSender, unbounded};
    use kube::core::Status;

    use super::*;

    type Sender = UnboundedSender<watcher::Result<Event<&'static str>>>;

    fn channel() -> (Sender, Events<&'static str>) {
        let (sender, events) = unbounded();
        (sender, events.boxed())
    }

    fn refused() -> watcher::Result<Event<&'static str>> {
        let status = Status::failure("no rights", "Forbidden").with_code(403);
        Err(watcher::Error::InitialListFailed(kube::Error::Api(
            Box::new(status),
        )))
    }

    fn list(sender: &Sender, object: &'static str) {
        for event in [Event::Init, Event::InitApply(object), Event::InitDone] {
            sender.unbounded_send(Ok(event)).expect("is listened to");
        }
    }

    /// Everything that is there already.
    fn now(events: &mut Events<&'static str>) -> Vec<&'static str> {
        std::iter::from_fn(|| events.next().now_or_never().flatten())
            .map(|event| match event {
                Ok(Event::Init) => "init",
                Ok(Event::InitApply(object) | Event::Apply(object)) => object,
                Ok(Event::InitDone) => "done",
                Ok(Event::Delete(_)) => "delete",
                Err(_) => "error",
            })
            .collect()
    }

    #[test]
    fn what_cannot_be_read_counts_as_empty_until_it_can_be() {
        let gates = Gates::new(&["gone".to_owned()]);
        let (profiles, events) = channel();
        let mut profile_events = gates.decide("gone", events);
        let (workloads, events) = channel();
        let mut workload_events = gates.follow("gone", events);
        list(&workloads, "workload");
        assert!(now(&mut workload_events).is_empty(), "nothing is decided");

        profiles.unbounded_send(refused()).expect("is listened to");
        assert_eq!(now(&mut profile_events), ["error", "init", "done"]);
        assert_eq!(now(&mut workload_events), ["init", "done"]);
        assert_eq!(gates.unreadable(), BTreeSet::from(["gone".to_owned()]));
        profiles.unbounded_send(refused()).expect("is listened to");
        assert_eq!(now(&mut profile_events), ["error"], "it is said once");

        list(&profiles, "profile");
        assert_eq!(
            profile_events.next().now_or_never().map(|it| it.is_some()),
            Some(true)
        );
        assert!(
            now(&mut workload_events).is_empty(),
            "the profiles are not taken in yet"
        );
        assert_eq!(now(&mut profile_events), ["profile", "done"]);
        assert!(gates.is_unsettled("gone"), "the workloads are not listed");
        assert_eq!(now(&mut workload_events), ["init", "workload", "done"]);
        assert!(gates.unreadable().is_empty());
        assert!(!gates.is_unsettled("gone"));
    }

    #[test]
    fn a_refusal_after_the_first_list_takes_nothing_back() {
        let gates = Gates::new(&["there".to_owned()]);
        let (profiles, events) = channel();
        let mut events = gates.decide("there", events);
        list(&profiles, "profile");
        assert_eq!(now(&mut events), ["init", "profile", "done"]);
        profiles.unbounded_send(refused()).expect("is listened to");
        assert_eq!(now(&mut events), ["error"]);
        assert!(gates.unreadable().is_empty());
    }
}
