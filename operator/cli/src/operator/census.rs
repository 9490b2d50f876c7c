//! The metrics that count the world: profiles by condition, objects and workloads by state.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracewright_core::identity::Kind;

use super::context::Context;
use super::traffic;
use crate::metrics::Census;

/// How often metrics that count the world are brought up to date.
const CENSUS_INTERVAL: Duration = Duration::from_secs(5);

/// Brings them up to date until cancelled, and forgets what is remembered of profiles that are gone.
pub(super) async fn run(context: Arc<Context>, cancelled: CancellationToken) {
    while cancelled
        .run_until_cancelled(tokio::time::sleep(CENSUS_INTERVAL))
        .await
        .is_some()
    {
        context.watches.report(&context.metrics);
        context
            .metrics
            .namespaces_unreadable(context.world.unreadable().len());
        context.forget_gone();
        context
            .metrics
            .rule_traffic(&traffic::of_all_rules(&context));
        context.metrics.census(count(&context));
    }
}

fn count(context: &Context) -> Census {
    let mut census = Census::default();
    for profile in context.world.profiles.state() {
        let Some(status) = &profile.status else {
            continue;
        };
        for condition in &status.conditions {
            let key = (condition.type_.clone(), condition.status.clone());
            *census.profiles.entry(key).or_default() += 1;
        }
        for (kind, items) in [
            (Kind::Group, &status.groups),
            (Kind::SamplingRule, &status.sampling_rules),
            (Kind::LogGroup, &status.log_groups),
        ] {
            for item in items {
                let key = (kind.as_str(), format!("{:?}", item.state));
                *census.objects.entry(key).or_default() += 1;
            }
        }
        let Some(counts) = &status.workloads else {
            continue;
        };
        for (state, count) in [
            ("injected", counts.injected),
            ("rolling", counts.rolling),
            ("stale", counts.stale),
            ("failed", counts.failed),
            ("skipped", counts.skipped),
        ] {
            *census.workloads.entry(state).or_default() += i64::from(count);
        }
    }
    census
}
