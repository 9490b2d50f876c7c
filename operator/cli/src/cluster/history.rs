//! What is known of a workload only because it was watched: who removes our entries, what our last write changed, whether it
//! has rolled out since, and how its pods failed. It is lost when the operator restarts, and nothing wrong is done then.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;
use tracewright_core::inject::{REMOVALS, contested, removed};
use tracewright_core::rollout::{PodFailure, Rollout};
use tracewright_core::workload::{Progress, Workload};

/// How long pods that show no failure are not looked at again.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// What is known of one workload.
#[derive(Debug, Default)]
pub(super) struct History {
    /// The version of the object that our last write made: its own event is nobody's removal.
    written: Option<String>,
    /// When somebody removed our entries, and of which generation of the profile they were.
    removals: (i64, Vec<Timestamp>),
    /// Variables that our last write changed.
    changed: BTreeSet<String>,
    /// What was rolled out since our last write: the template's hash, if it has one.
    rolled_out: Option<Option<String>>,
    /// The template, and how its pods failed when they were looked at last.
    failing: (Option<String>, Vec<PodFailure>),
    looked: Option<Instant>,
    /// The template's revision, and since when.
    revision: Option<(Option<String>, Instant)>,
    /// The rollout's progress, and since when.
    progress: Option<(Progress, Instant)>,
}

impl History {
    /// We wrote the workload.
    pub(super) fn wrote(&mut self, workload: &Workload, changed: &BTreeSet<String>) {
        self.written = Some(workload.resource_version.clone());
        if !changed.is_empty() {
            self.changed.clone_from(changed);
        }
        self.rolled_out = None;
        self.failing = Default::default();
        self.looked = None;
    }

    /// The workload changed.
    pub(super) fn saw(&mut self, before: &Workload, now: &Workload) {
        let own = self.written.as_ref() == Some(&now.resource_version);
        let Some(record) = before.record.as_ref().filter(|_| !own) else {
            return;
        };
        if !removed(before, now) {
            return;
        }
        let (generation, times) = &mut self.removals;
        if *generation != record.generation {
            times.clear();
        }
        *generation = record.generation;
        times.push(Timestamp::now());
        if times.len() > REMOVALS {
            times.remove(0);
        }
    }

    /// Whether somebody keeps removing what this generation of the profile put in.
    pub(super) fn contested(&self, generation: i64) -> bool {
        self.removals.0 == generation && contested(&self.removals.1)
    }

    /// Variables that our last write changed.
    pub(super) fn changed(&self) -> &BTreeSet<String> {
        &self.changed
    }

    /// For how long nothing has moved in the rollout.
    pub(super) fn still(&mut self, workload: &Workload) -> Duration {
        match &self.progress {
            Some((progress, since)) if *progress == workload.progress => since.elapsed(),
            _ => {
                self.progress = Some((workload.progress.clone(), Instant::now()));
                Duration::ZERO
            }
        }
    }

    /// A rollout was judged.
    pub(super) fn judged(&mut self, workload: &Workload, rollout: &Rollout) {
        if *rollout == Rollout::Complete {
            self.rolled_out = Some(workload.env_hash.clone());
            // What fails from now on fails by something else.
            self.changed = BTreeSet::new();
        }
    }

    /// Whether a write of ours has not rolled out yet.
    pub(super) fn in_flight(&self) -> bool {
        self.written.is_some() && self.rolled_out.is_none()
    }

    /// Whether the template's variables have been rolled out before, so that a failure now is of another change.
    pub(super) fn rolled_out(&self, workload: &Workload) -> bool {
        self.rolled_out.as_ref() == Some(&workload.env_hash)
    }

    /// How pods of the template failed, if they did. A failure that was found stays the evidence for as long as the
    /// template does: a crashing pod changes its words with every attempt.
    pub(super) fn failing(&self, workload: &Workload) -> &[PodFailure] {
        if self.failing.0 == workload.env_hash {
            &self.failing.1
        } else {
            &[]
        }
    }

    /// Whether to look at the pods now.
    pub(super) fn look(&mut self, workload: &Workload) -> bool {
        let known = self.failing(workload).iter().any(|pod| pod.lasting);
        let due = self.looked.is_none_or(|at| at.elapsed() >= LOOK_AGAIN);
        let look = !known && due;
        if look {
            self.looked = Some(Instant::now());
        }
        look
    }

    /// Pods were looked at.
    pub(super) fn found(&mut self, workload: &Workload, failing: Vec<PodFailure>) {
        self.failing = (workload.env_hash.clone(), failing);
    }

    /// Whether pods may have been started before that time: the template has not changed since.
    pub(super) fn predates(&mut self, workload: &Workload, time: Instant) -> bool {
        match &self.revision {
            Some((revision, since)) if *revision == workload.revision => *since < time,
            // Seen for the first time: pods may be of any age.
            None => {
                self.revision = Some((workload.revision.clone(), time - Duration::from_nanos(1)));
                true
            }
            Some(_) => {
                self.revision = Some((workload.revision.clone(), Instant::now()));
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::de::DeserializeSeed;
    use serde_json::{Value, json};
    use tracewright_core::workload::WorkloadKind;

    fn read(version: &str, hash: Option<&str>, more: Value) -> Workload {
        let mut object = json!({
            "metadata": {"name": "web", "resourceVersion": version},
            "spec": {"template": {"metadata": {"annotations": {}}, "spec": {"containers": [{"name": "app"}]}}},
            "status": more,
        });
        if let Some(hash) = hash {
            // As rendered and recorded.
            object["spec"]["template"]["spec"]["containers"][0]["env"] =
                json!([{"name": "A", "value": "1"}]);
            let recorded = WorkloadKind::StatefulSet
                .deserialize(&object)
                .expect("is a workload");
            let recorded = recorded.containers[0].env[0]
                .hash
                .map(|hash| hash.to_string());
            object["spec"]["template"]["metadata"]["annotations"]["tracewright.dev/env-hash"] =
                hash.into();
            object["metadata"]["annotations"] = json!({"tracewright.dev/injected": json!({
                "profile": "p", "generation": 1, "renderVersion": 1, "reverted": false,
                "containers": {"app": {"A": recorded}},
            }).to_string()});
        }
        WorkloadKind::StatefulSet
            .deserialize(&object)
            .expect("is a workload")
    }

    fn crash() -> PodFailure {
        PodFailure {
            pod: "web-0".into(),
            container: "app".into(),
            reason: "CrashLoopBackOff".into(),
            exit_code: Some(1),
            message: String::new(),
            lasting: true,
        }
    }

    #[test]
    fn removals_are_counted_and_our_own_writes_are_none() {
        let mut history = History::default();
        let injected = read("2", Some("h"), json!({}));
        for version in ["3", "4", "5"] {
            assert!(!history.contested(1), "{version}");
            history.saw(&injected, &read(version, None, json!({})));
            // What was removed stays removed while other things change.
            let gone = read(version, None, json!({}));
            history.saw(&gone, &gone);
        }
        assert!(history.contested(1));
        assert!(!history.contested(2), "another generation starts anew");

        let mut history = History::default();
        for version in ["3", "4", "5"] {
            let own = read(version, None, json!({}));
            history.wrote(&own, &BTreeSet::new());
            history.saw(&injected, &own);
        }
        assert!(!history.contested(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_rollout_is_still_for_as_long_as_nothing_moves() {
        let mut history = History::default();
        let one = read("1", Some("h"), json!({"updatedReplicas": 1}));
        assert_eq!(history.still(&one), Duration::ZERO);
        tokio::time::advance(Duration::from_secs(9)).await;
        assert_eq!(history.still(&one), Duration::from_secs(9));
        let two = read("2", Some("h"), json!({"updatedReplicas": 2}));
        assert_eq!(history.still(&two), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn evidence_stays_and_pods_are_looked_at_no_more_than_needed() {
        let mut history = History::default();
        let one = read("1", Some("h"), json!({}));
        assert!(history.look(&one));
        assert!(!history.look(&one), "just looked");
        tokio::time::advance(LOOK_AGAIN).await;
        assert!(history.look(&one));
        history.found(&one, vec![crash()]);
        tokio::time::advance(LOOK_AGAIN).await;
        assert!(!history.look(&one), "the evidence is there");
        assert_eq!(history.failing(&one), [crash()]);
        assert!(
            history
                .failing(&read("2", Some("other"), json!({})))
                .is_empty()
        );
        history.wrote(&one, &BTreeSet::new());
        assert!(history.failing(&one).is_empty());
    }

    #[test]
    fn what_has_rolled_out_once_does_not_fail_by_us_until_we_write_again() {
        let mut history = History::default();
        let one = read("1", Some("h"), json!({}));
        assert!(!history.rolled_out(&one));
        history.judged(&one, &Rollout::Rolling);
        assert!(!history.rolled_out(&one));
        history.judged(&one, &Rollout::Complete);
        assert!(history.rolled_out(&one));
        assert!(!history.rolled_out(&read("2", Some("other"), json!({}))));
        assert!(!history.in_flight());
        history.wrote(&one, &BTreeSet::new());
        assert!(!history.rolled_out(&one) && history.in_flight());
        history.judged(&one, &Rollout::Complete);
        assert!(!history.in_flight());
    }

    #[tokio::test(start_paused = true)]
    async fn pods_are_older_than_a_change_until_the_template_changes() {
        let mut history = History::default();
        tokio::time::advance(Duration::from_secs(1)).await;
        let changed = Instant::now();
        let one = read("1", Some("h"), json!({"updateRevision": "a"}));
        assert!(history.predates(&one, changed));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(history.predates(&one, changed));
        let restarted = read("2", Some("h"), json!({"updateRevision": "b"}));
        assert!(!history.predates(&restarted, changed));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(!history.predates(&restarted, changed));
        assert!(
            history.predates(&restarted, Instant::now()),
            "the next change"
        );
    }
}
