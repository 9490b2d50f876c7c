//! Listed namespaces that cannot be read: they hold up nothing in the others, and nothing is concluded from their silence.
//!
//! A namespace that is deleted takes its Role with it, and every question about it is answered 403 from then on. Whether a
//! namespace can be read is decided by its profiles: other objects are listed after them, so that nothing is taken for
//! forsaken by a profile that is not known yet.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

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

/// One gate for each namespace of a list.
#[derive(Clone, Debug, Default)]
pub(super) struct Gates(Arc<BTreeMap<String, watch::Sender<Readable>>>);

impl Gates {
    pub(super) fn new(namespaces: &[String]) -> Self {
        let gate = |name: &String| (name.clone(), watch::Sender::new(Readable::Unknown));
        Self(Arc::new(namespaces.iter().map(gate).collect()))
    }

    /// Namespaces whose first list was refused.
    pub(super) fn unreadable(&self) -> BTreeSet<String> {
        self.0
            .iter()
            .filter(|(_, gate)| *gate.borrow() == Readable::No)
            .map(|(name, _)| name.clone())
            .collect()
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
                if listed && gate.send_replace(Readable::Yes) == Readable::No {
                    info!(namespace, "can be read now");
                }
                let event = watch.next().await?;
                let listed = matches!(event, Ok(Event::InitDone));
                let events = match event {
                    Err(error) if *gate.borrow() == Readable::Unknown && is_forbidden(&error) => {
                        warn!(
                            namespace,
                            "cannot be read: it is gone, or the operator has no rights in it. The other namespaces are \
                             looked after; take it out of watchNamespaces, or install the chart again if it is back"
                        );
                        gate.send_replace(Readable::No);
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
        let Some(gate) = self.0.get(namespace) else {
            return watch;
        };
        let (mut decided, mut opened) = (gate.subscribe(), gate.subscribe());
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
            watch
        };
        stream::once(empty)
            .flatten()
            .chain(stream::once(open).flatten())
            .boxed()
    }
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
        assert_eq!(now(&mut workload_events), ["init", "workload", "done"]);
        assert!(gates.unreadable().is_empty());
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
