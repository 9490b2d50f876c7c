//! The cluster's own check: variables of profiles that no longer exist go, and where no AWS account is looked at, profiles are
//! compared anew as often as if one were.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::context::Context;
use std::sync::Arc;

/// Between two looks at workloads that wait for their turn, or at a lease that is not held yet.
const SOON: Duration = Duration::from_secs(2);

/// Checks until cancelled.
pub(super) async fn run(context: Arc<Context>, cancelled: CancellationToken) {
    let mut last = Instant::now();
    let mut next = Duration::ZERO;
    loop {
        tokio::select! {
            () = cancelled.cancelled() => return,
            () = tokio::time::sleep(next) => {}
        }
        if !(context.permit.holds() && context.cluster.knows_all()) {
            next = SOON;
            continue;
        }
        let waiting = context.cluster.sweep().await;
        next = if waiting > 0 {
            SOON
        } else {
            context.drift_interval
        };
        // Otherwise the drift check asks for them.
        if context.accounts.all().is_empty() && last.elapsed() >= context.drift_interval {
            last = Instant::now();
            context.request_all().await;
        }
    }
}
