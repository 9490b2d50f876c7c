//! What the record is good for: versions, generations, renamed containers, other profiles, reversals.

use super::*;

#[test]
fn the_record_says_who_wrote_what() {
    let after = injected(&deployment(), SHOP, 3);
    let record = record(&after);
    assert_eq!(
        (
            record.profile.as_str(),
            record.generation,
            record.render_version
        ),
        ("shop", 3, RENDER_VERSION)
    );
    assert!(!record.reverted);
    let recorded: BTreeSet<_> = record.containers["app"]
        .keys()
        .map(String::as_str)
        .collect();
    let written: BTreeSet<_> = entries(&after)
        .iter()
        .filter_map(|entry| entry["name"].as_str())
        .filter(|name| *name != "A")
        .collect();
    assert_eq!(recorded, written);
}

#[test]
fn a_generation_that_changes_no_variable_restarts_nothing() {
    let object = injected(&deployment(), SHOP, 1);
    let patch = patch(decided(&object, SHOP, 2, &World::new()));
    assert!(!patch.restarts_pods);
    assert!(patch.body.get("spec").is_none(), "{}", patch.body);
    assert_eq!(
        record(&apply(&object, &patch.body).expect("applies")).generation,
        2
    );
}

/// An operator whose newest version is 2, which leaves a variable out.
const LATER: Renderer = Renderer {
    newest: 2,
    render: |version, target| {
        let mut list = env::render(1, target)?;
        if version == 2 {
            list.retain(|entry| entry.name != "OTEL_LOGS_EXPORTER");
        }
        (version <= 2).then_some(list)
    },
};

#[test]
fn an_upgrade_of_the_operator_changes_nothing_until_the_profile_changes() {
    let spec = spec(SHOP);
    let world = World::new();
    let upgraded = |object: &Value, generation| {
        decide_by(
            LATER,
            &read(WorkloadKind::Deployment, object),
            &demand(&spec, generation),
            &world.facts(),
        )
    };
    let object = injected(&deployment(), SHOP, 1);
    assert_eq!(upgraded(&object, 1).action, Action::UpToDate);
    let after = apply(&object, &patch(upgraded(&object, 2)).body).expect("applies");
    assert_eq!(record(&after).render_version, 2);
    assert_eq!(entry(&after, "OTEL_LOGS_EXPORTER"), None);
    // What goes missing meanwhile is brought back as it was.
    let mut broken = object;
    let env = broken["spec"]["template"]["spec"]["containers"][0]["env"]
        .as_array_mut()
        .expect("has env");
    env.retain(|entry| entry["name"] != "OTEL_LOGS_EXPORTER");
    let repaired = apply(&broken, &patch(upgraded(&broken, 1)).body).expect("applies");
    assert!(entry(&repaired, "OTEL_LOGS_EXPORTER").is_some());
}

#[test]
fn a_rendering_of_a_newer_operator_is_left_alone_until_the_profile_changes() {
    let mut object = injected(&deployment(), SHOP, 1);
    let newer = Record {
        render_version: RENDER_VERSION + 1,
        ..record(&object)
    };
    object["metadata"]["annotations"]["tracewright.dev/injected"] = newer.to_annotation().into();
    assert_eq!(
        decided(&object, "{traces: {console: false}}", 1, &World::new()).action,
        Action::UpToDate
    );
    patch(decided(
        &object,
        "{traces: {console: false}}",
        2,
        &World::new(),
    ));
}

#[test]
fn a_renamed_removed_or_unnamed_container_leaves_nothing_behind() {
    let mut object = injected(&deployment(), SHOP, 1);
    object["spec"]["template"]["spec"]["containers"][0]["name"] = "renamed".into();
    object["spec"]["template"]["spec"]["containers"][0]["env"] = json!([]);
    let after = injected(&object, SHOP, 1);
    assert_eq!(
        record(&after).containers.keys().collect::<Vec<_>>(),
        ["renamed"]
    );
    assert_eq!(
        decided(&after, SHOP, 1, &World::new()).action,
        Action::UpToDate
    );

    let mut object = deployment();
    let containers = &mut object["spec"]["template"]["spec"]["containers"];
    containers
        .as_array_mut()
        .expect("is a list")
        .push(json!({"name": "worker", "image": "i"}));
    let only = |name: &str| {
        format!("workloads: {{selector: {{matchLabels: {{a: b}}}}, containers: [{name}, absent]}}")
    };
    let after = injected(&injected(&object, &only("app"), 1), &only("worker"), 2);
    assert_eq!(entries(&after), entries(&deployment()));
    assert_eq!(
        record(&after).containers.keys().collect::<Vec<_>>(),
        ["worker"]
    );
}

#[test]
fn a_workload_is_handed_from_one_profile_to_another_in_one_patch() {
    let mut object = injected(&deployment(), WITH_SECRET, 1);
    let gone = Record {
        profile: "gone".into(),
        ..record(&object)
    };
    object["metadata"]["annotations"]["tracewright.dev/injected"] = gone.to_annotation().into();
    let after = injected(&object, SHOP, 1);
    assert_eq!(entries(&after), entries(&injected(&deployment(), SHOP, 1)));
    assert_eq!(record(&after).profile, "shop");
}

#[test]
fn without_a_readable_record_nothing_counts_as_ours() {
    let mut object = injected(&deployment(), SHOP, 1);
    object["metadata"]["annotations"]["tracewright.dev/injected"] = "{}".into();
    let before = entries(&object).clone();
    let removal =
        uninject(&read(WorkloadKind::Deployment, &object)).expect("the mark itself is ours");
    let after = apply(&object, &removal.body).expect("applies");
    assert_eq!(*entries(&after), before);
    assert_eq!(after["metadata"]["annotations"], json!({}));
}

#[test]
fn a_reverted_workload_stays_so_until_the_profile_changes() {
    let object = injected(&deployment(), SHOP, 1);
    let evidence = Some("container app: CrashLoopBackOff".to_owned());
    let workload = read(WorkloadKind::Deployment, &object);
    let reversal = revert(&workload, "shop", 1, evidence).expect("is injected");
    let after = apply(&object, &reversal.body).expect("applies");
    assert_eq!(entries(&after), entries(&deployment()));
    let recorded = record(&after);
    assert!(recorded.reverted && recorded.containers.is_empty());
    assert_eq!(
        revert(&read(WorkloadKind::Deployment, &after), "shop", 1, None),
        None
    );
    let skip = skipped(decided(&after, SHOP, 1, &World::new()));
    assert_eq!(skip.reason, condition::reason::REVERTED);
    assert!(
        skip.message.contains("container app: CrashLoopBackOff"),
        "says how it failed: {}",
        skip.message
    );
    let again = injected(&after, SHOP, 2);
    assert_eq!(entries(&again), entries(&injected(&deployment(), SHOP, 2)));
    assert!(!record(&again).reverted);
}

#[test]
fn the_record_tells_whether_anybody_has_changed_the_workload_since() {
    let untouched = |object: &Value| untouched(&read(WorkloadKind::Deployment, object));
    let mut object = deployment();
    assert!(!untouched(&object), "nothing of ours is in it");
    object = injected(&object, SHOP, 1);
    assert_eq!(record(&object).workload_generation, Some(2));
    // As the API server counts.
    object["metadata"]["generation"] = 2.into();
    assert!(untouched(&object));
    assert_eq!(
        decided(&object, SHOP, 1, &World::new()).action,
        Action::UpToDate,
        "it is no difference"
    );

    object["metadata"]["generation"] = 3.into();
    assert!(!untouched(&object), "somebody scaled it");
    assert_eq!(
        decided(&object, SHOP, 1, &World::new()).action,
        Action::UpToDate,
        "nor is that one"
    );
    // A change of the record alone is no change of the template.
    let recorded = patch(decided(&object, SHOP, 2, &World::new()));
    assert!(!recorded.restarts_pods);
    let after = apply(&object, &recorded.body).expect("applies");
    assert_eq!(record(&after).workload_generation, Some(2));

    let job = json!({
        "metadata": {"name": "job", "namespace": "ns", "resourceVersion": "7", "generation": 1},
        "spec": {"jobTemplate": {"spec": deployment()["spec"]}},
    });
    let spec = spec(SHOP);
    let world = World::new();
    let injection = decide(
        &read(WorkloadKind::CronJob, &job),
        &demand(&spec, 1),
        &world.facts(),
    );
    let after = apply(&job, &patch(injection).body).expect("applies");
    assert_eq!(record(&after).workload_generation, None);
}
