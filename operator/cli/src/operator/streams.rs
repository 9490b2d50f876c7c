//! The watches of namespaces and profiles, kept in the world's stores and turned into requests for reconciles.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::{Stream, StreamExt};
use k8s_openapi::api::core::v1::Namespace;
use kube::ResourceExt;
use kube::core::PartialObjectMeta;
use kube::runtime::reflector::store::Writer;
use kube::runtime::{Predicate as _, PredicateConfig, WatchStreamExt, predicates, watcher};
use tracewright_core::crd::ObservabilityProfile;
use tracewright_core::workload::LAST_APPLIED;

use super::context::Context;
use super::scope::Scope;
use super::{NAMESPACES, PROFILES};

/// Follows the namespaces; all profiles of one that changed are looked at, because it says what they may do.
pub(super) fn namespaces(
    scope: &Scope,
    context: Arc<Context>,
    writer: Writer<PartialObjectMeta<Namespace>>,
) -> impl Future<Output = ()> + Send + use<> {
    let watches = context.watches.clone();
    scope
        .watch_namespaces(&watches.client(NAMESPACES, &context.client))
        .modify(|namespace| namespace.metadata.managed_fields = None)
        .inspect(move |event| watches.observe(NAMESPACES, event))
        .reflect(writer)
        .touched_objects()
        .filter_map(|namespace| async { namespace.ok() })
        .for_each(move |namespace| {
            context.world.changed();
            for profile in context.world.references_in(&namespace.name_any()) {
                context.request(profile);
            }
            std::future::ready(())
        })
}

/// Follows the profiles; each that changed in more than its status comes out.
pub(super) fn profiles(
    scope: &Scope,
    context: &Context,
    writer: Writer<ObservabilityProfile>,
) -> impl Stream<Item = Result<ObservabilityProfile, watcher::Error>> + Send + use<> {
    let (world, watches) = (context.world.clone(), context.watches.clone());
    let client = watches.client(PROFILES, &context.client);
    let claims_change = Arc::new(AtomicBool::new(false));
    let (before, after) = (
        (world.clone(), claims_change.clone()),
        (world, claims_change),
    );
    scope
        .watch_profiles::<ObservabilityProfile>(&client)
        .modify(|profile| {
            profile.metadata.managed_fields = None;
            // The whole manifest a second time.
            let annotations = profile.metadata.annotations.as_mut();
            annotations.map(|all| all.remove(LAST_APPLIED));
        })
        .inspect(move |event| {
            watches.observe(PROFILES, event);
            let (world, claims_change) = &before;
            claims_change.store(world.claims_change(event), Ordering::Relaxed);
        })
        .reflect(writer)
        .inspect(move |_| {
            let (world, claims_change) = &after;
            if claims_change.load(Ordering::Relaxed) {
                world.changed();
            }
        })
        .touched_objects()
        // An error here is already counted and retried with this stream's own backoff; handed on, it would make
        // the controller back off on all streams together.
        .filter_map(|profile| async { profile.ok().map(Ok) })
        .predicate_filter(
            predicates::generation
                .combine(predicates::finalizers)
                .combine(predicates::annotations),
            PredicateConfig::default(),
        )
}
