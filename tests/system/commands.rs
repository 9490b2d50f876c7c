//! The command that compares profiles with an account and a cluster.

use std::collections::BTreeSet;
use std::process::Stdio;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use support::control_plane::AuditEvent;
use support::installation::CLUSTER;
use support::operator::program;
use support::{Installation, LONG, SHORT, eventually};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::aws::see::{self, counts, current, edit, mark, ready, until, writes};

/// What a command said.
#[derive(Debug)]
pub struct Said {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

/// Runs the program as a person who may do everything, with the AWS of the operator. What it reads from its standard input is
/// `input`.
pub async fn tracewright(there: &Installation, arguments: &[&str], input: &str) -> Result<Said> {
    let kubeconfig = there.person().await?;
    run(there, arguments, input, &kubeconfig.display().to_string()).await
}

pub async fn run(
    there: &Installation,
    arguments: &[&str],
    input: &str,
    kubeconfig: &str,
) -> Result<Said> {
    let mut child = Command::new(program()?)
        .args(arguments)
        .env_clear()
        .envs(there.aws().environment())
        .env("KUBECONFIG", kubeconfig)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut stdin = child.stdin.take().context("it was piped")?;
    // A program that does not read its input may be gone already.
    let _ = stdin.write_all(input.as_bytes()).await;
    drop(stdin);
    let output = tokio::time::timeout(LONG, child.wait_with_output()).await??;
    Ok(Said {
        code: output.status.code(),
        out: String::from_utf8(output.stdout)?,
        err: String::from_utf8(output.stderr)?,
    })
}

fn manifest(there: &Installation, name: &str, spec: &Value) -> String {
    let manifest = json!({
        "apiVersion": "tracewright.dev/v1alpha1",
        "kind": "ObservabilityProfile",
        "metadata": {"name": name, "namespace": there.namespace().name()},
        "spec": spec,
    });
    manifest.to_string()
}

/// A plan for the profile `p` in the operator's cluster.
async fn plan(there: &Installation, spec: &Value, arguments: &[&str]) -> Result<Said> {
    let arguments = [&["plan", "-", "--cluster-name", CLUSTER], arguments].concat();
    tracewright(there, &arguments, &manifest(there, "p", spec)).await
}

/// Symbol, kind and name of each object of a plan, and what is said of it, blanks made one.
fn objects(said: &Said) -> Vec<String> {
    let shown = said.out.lines().filter_map(|line| line.strip_prefix("  "));
    let shown = shown.filter(|line| line.starts_with(['+', '~', '-', '=', '!']));
    shown
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect()
}

pub fn declared() -> Value {
    json!({
        "service": {"name": "backend"},
        "xray": {
            "groups": [{"name": "fine"}, {"name": "leaving"}],
            "samplingRules": [{"name": "rule", "priority": 9000, "fixedRate": 0.1, "reservoirSize": 5}],
        },
        "logs": {"groups": [{"name": "/kept", "retentionInDays": 7}, {"name": "/dropped"}]},
    })
}

/// [`declared`], with something of everything that can be done.
fn changed() -> Value {
    json!({
        "service": {"name": "backend"},
        "xray": {
            "groups": [{"name": "fine"}, {"name": "new", "filterExpression": "fault"}],
            "samplingRules": [
                {"name": "rule", "priority": 9000, "fixedRate": 0.5, "reservoirSize": 1},
                {"name": "theirs", "priority": 1, "fixedRate": 0.1, "reservoirSize": 1},
            ],
        },
        "logs": {"groups": [{"name": "/kept", "retentionInDays": 30}]},
    })
}

/// What a plan for [`changed`] says after [`prepare`].
const DIFF: [&str; 7] = [
    "= X-Ray group fine",
    "- X-Ray group leaving no profile declares it",
    "+ X-Ray group new filterExpression: fault",
    "~ sampling rule rule fixedRate: 0.1 -> 0.5",
    "! sampling rule theirs Foreign: sampling rule theirs exists and was not made by this profile: choose another name, or write adoptionPolicy: Adopt",
    "~ log group /dropped stays in AWS, without our tags: no profile declares it",
    "~ log group /kept retentionInDays: 7 -> 30",
];

/// Applies [`declared`] by an operator that then ends, and makes a rule that is somebody else's.
async fn prepare(there: &Installation) -> Result<()> {
    let mut operator = there.hurried_operator().await?.start()?;
    operator.ready().await?;
    there.apply("p", declared()).await?;
    ready(there, "p").await?;
    operator.stop().await?;
    edit(there, |state| {
        let theirs =
            json!({"priority": 1, "fixedRate": 0.1, "reservoirSize": 5, "serviceName": "backend"});
        state["xray"]["samplingRules"]["theirs"] = theirs;
    })
    .await
}

/// The requests of the program, as verb and resource.
fn requests(events: &[AuditEvent], there: &Installation) -> BTreeSet<(String, String)> {
    let own = events
        .iter()
        .filter(|event| event.user.username == there.person_user());
    own.filter_map(|event| {
        Some((
            event.verb.clone(),
            event.object_ref.as_ref()?.resource.clone(),
        ))
    })
    .collect()
}

#[tokio::test]
async fn a_plan_is_a_diff_and_writes_nothing_anywhere() -> Result<()> {
    let there = Installation::new().await?;
    prepare(&there).await?;
    let unchanged = plan(&there, &declared(), &[]).await?;
    assert_eq!(unchanged.code, Some(0), "{unchanged:?}");
    let summary = "0 to create, 0 to change, 0 to delete, 5 in sync, 0 left alone";
    assert!(unchanged.out.contains(summary), "{unchanged:?}");

    let (calls, audit) = (mark(&there).await?, there.control_plane().audit_mark()?);
    let before = see::state(&there).await?;
    let said = plan(&there, &changed(), &[]).await?;
    assert_eq!(said.code, Some(1), "{said:?}");
    assert_eq!(objects(&said), DIFF);
    assert!(said.out.contains("reservoirSize: 5 -> 1"), "{said:?}");
    let summary = "1 to create, 3 to change, 1 to delete, 1 in sync, 1 left alone";
    assert!(said.out.contains(summary), "{said:?}");
    assert_eq!(writes(&there, calls).await?, counts([]));
    assert_eq!(see::state(&there).await?, before);
    let reads = [
        ("get", "namespaces"),
        ("list", "namespaces"),
        ("list", "observabilityprofiles"),
    ];
    let reads =
        BTreeSet::from(reads.map(|(verb, resource)| (verb.to_owned(), resource.to_owned())));
    eventually(
        SHORT,
        "the audit log has the plan's requests, and no others",
        async || {
            let events = there
                .control_plane()
                .audit(audit)
                .map_err(|error| error.to_string())?;
            let requests = requests(&events, &there);
            if requests == reads {
                Ok(())
            } else {
                Err(format!("{requests:?}"))
            }
        },
    )
    .await?;
    Ok(())
}

#[tokio::test]
async fn a_plan_without_a_cluster_follows_the_tags_and_says_what_it_assumed() -> Result<()> {
    let there = Installation::new().await?;
    prepare(&there).await?;
    let input = manifest(&there, "p", &changed());
    let said = tracewright(&there, &["plan", "--no-cluster", "-"], &input).await?;
    assert_eq!(
        (said.code, objects(&said)),
        (Some(1), DIFF.map(str::to_owned).to_vec()),
        "{said:?}"
    );
    for sentence in [
        "no cluster was looked at (--no-cluster)",
        "assumed: the namespaces allow every name, role and adoption",
        "assumed: the cluster is tests, as the tags of the profiles' objects say",
    ] {
        assert!(said.out.contains(sentence), "{sentence}: {said:?}");
    }

    let away = run(&there, &["plan", "-"], &input, "/nowhere/kubeconfig").await?;
    assert_eq!(objects(&away), DIFF, "{away:?}");
    assert!(away.out.contains("no cluster is configured"), "{away:?}");
    Ok(())
}

/// Changes as `action kind name field from to`, in which an object that is new, or goes, is one.
fn changes(objects: &Value, fields: &str) -> BTreeSet<String> {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let mut changes = BTreeSet::new();
    for object in objects.as_array().into_iter().flatten() {
        let action = text(&object["action"]);
        let start = format!(
            "{action} {} {}",
            text(&object["kind"]),
            text(&object["name"])
        );
        let all = match fields {
            "" => std::slice::from_ref(object),
            fields => object[fields].as_array().map_or(&[][..], Vec::as_slice),
        };
        match action.as_str() {
            "None" | "Held" => {}
            "Update" => changes.extend(all.iter().map(|field| {
                format!(
                    "{start} {} {} {}",
                    text(&field["field"]),
                    text(&field["from"]),
                    text(&field["to"])
                )
            })),
            _ => drop(changes.insert(start)),
        }
    }
    changes
}

#[tokio::test]
async fn a_plan_says_what_mode_preview_then_says() -> Result<()> {
    let there = Installation::new().await?;
    prepare(&there).await?;
    let mut spec = changed();
    spec["mode"] = json!("Preview");
    let said = plan(&there, &spec, &["--output", "json"]).await?;
    let told: Value = serde_json::from_str(&said.out)?;
    let planned = changes(&told["profiles"][0]["objects"], "fields");
    assert_eq!(planned.len(), 6, "{planned:?}");

    let mut operator = there.hurried_operator().await?.start()?;
    operator.ready().await?;
    there.apply("p", spec).await?;
    let previewed = until(&there.profiles(), "p", "the plan is told", |profile| {
        let status = profile.status.as_ref().filter(|_| current(profile))?;
        (!status.plan.is_empty())
            .then(|| serde_json::to_value(&status.plan).ok())
            .flatten()
    })
    .await?;
    assert_eq!(planned, changes(&previewed, ""));
    Ok(())
}

#[tokio::test]
async fn a_plan_knows_what_the_namespace_allows_and_what_others_hold() -> Result<()> {
    let there = Installation::new().await?;
    prepare(&there).await?;
    let rule = json!({
        "name": "theirs", "priority": 1, "fixedRate": 0.1, "reservoirSize": 5, "adoptionPolicy": "Adopt",
    });
    let adopting = json!({
        "service": {"name": "backend"},
        "xray": {"samplingRules": [rule]},
        "logs": {"groups": [{"name": "/kept"}]},
    });
    let other = manifest(&there, "other", &adopting);
    let arguments = ["plan", "-", "--cluster-name", CLUSTER];
    let said = tracewright(&there, &arguments, &other).await?;
    let namespace = there.namespace().name();
    let held = format!(
        "! log group /kept Conflict: log group /kept belongs to the profile {namespace}/p: remove it from one of the two profiles"
    );
    let refused = "! sampling rule theirs Foreign: sampling rule theirs exists and was not made by this profile: adopting it needs the namespace annotation tracewright.dev/allow-adopt, which a cluster admin sets";
    assert_eq!(objects(&said), [refused, &held], "{said:?}");

    there
        .allow(&[("tracewright.dev/allow-adopt", "their*")])
        .await?;
    let said = tracewright(&there, &arguments, &other).await?;
    assert_eq!(
        objects(&said),
        ["~ sampling rule theirs is taken over", &held],
        "{said:?}"
    );
    Ok(())
}

#[tokio::test]
async fn profiles_that_are_planned_together_share_names_and_quotas() -> Result<()> {
    let there = Installation::new().await?;
    let group =
        |name: &str| json!({"xray": {"groups": [{"name": name, "filterExpression": "fault"}]}});
    let manifests = [("first", "a"), ("second", "a"), ("third", "b")];
    let input = manifests
        .map(|(profile, name)| manifest(&there, profile, &group(name)))
        .join("\n---\n");
    let said = tracewright(&there, &["plan", "-", "--quota-groups", "1"], &input).await?;
    let namespace = there.namespace().name();
    let shown = objects(&said);
    let conflict =
        format!("! X-Ray group a Conflict: X-Ray group a belongs to the profile {namespace}/first");
    let quota = "! X-Ray group b QuotaExceeded: X-Ray group b is not created, because 1 of 1";
    for (line, start) in
        shown
            .iter()
            .zip(["+ X-Ray group a filterExpression: fault", &conflict, quota])
    {
        assert!(line.starts_with(start), "{start}: {said:?}");
    }
    assert_eq!(shown.len(), 3, "{said:?}");
    Ok(())
}

#[tokio::test]
async fn the_cost_of_sampling_is_estimated_where_traffic_is_known() -> Result<()> {
    let there = Installation::new().await?;
    prepare(&there).await?;
    let quiet = plan(&there, &declared(), &[]).await?;
    assert!(
        quiet
            .out
            .contains("no cost can be estimated, because no client has reported traffic"),
        "{quiet:?}"
    );

    // 100 requests in one window of ten seconds, of which 60 were sampled.
    let at = 1_790_000_000_000_i64;
    let report = json!({
        "ruleName": "rule", "clientId": "1", "timestamp": at, "receivedAt": at,
        "requestCount": 100, "sampledCount": 60, "borrowCount": 0,
    });
    edit(&there, |state| {
        state["xray"]["statistics"] = json!([report])
    })
    .await?;
    let said = plan(&there, &changed(), &[]).await?;
    // 6 a second for 730 hours; then 1 a second from the reservoir and half of the other 9.
    for sentence in [
        "cost of rule, estimated: 10.0 requests/s, 15.77 million traces a month, $78.84 -> 14.45 million traces a month, $72.27",
        "15.77 million traces a month by all rules, $78.34 after 100,000 free ones",
        "an estimate: 10 s of traffic (2026-09-21T14:13:20Z to 2026-09-21T14:13:30Z) taken for a whole month, at $5.00 per million traces recorded",
    ] {
        assert!(said.out.contains(sentence), "{sentence}: {}", said.out);
    }
    let said = plan(&there, &changed(), &["--output", "json"]).await?;
    let told: Value = serde_json::from_str(&said.out)?;
    let cost = json!([{
        "samplingRule": "rule",
        "requestsPerSecond": 10.0,
        "monthNow": {"traces": 15_768_000.0, "usd": 78.84},
        "monthThen": {"traces": 14_454_000.0, "usd": 72.27},
    }]);
    assert_eq!(told["profiles"][0]["costs"], cost);
    Ok(())
}

#[tokio::test]
async fn a_plan_shows_advice_that_depends_on_the_account() -> Result<()> {
    let there = Installation::new().await?;
    edit(&there, |state| {
        let hiding =
            json!({"priority": 1, "fixedRate": 0.1, "reservoirSize": 1, "serviceName": "*"});
        state["xray"]["samplingRules"]["hiding"] = hiding;
    })
    .await?;
    let said = plan(&there, &declared(), &[]).await?;
    assert!(said.out.contains("advice RuleUnreachable: "), "{said:?}");
    assert!(
        said.out.contains("(spec.xray.samplingRules[0].priority)"),
        "{said:?}"
    );
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_planned_is_an_error_with_a_sentence() -> Result<()> {
    let there = Installation::new().await?;
    let calls = mark(&there).await?;
    let invalid = plan(&there, &json!({"mode": "Enforce"}), &[]).await?;
    assert_eq!(
        (invalid.code, invalid.out.as_str()),
        (Some(2), ""),
        "{invalid:?}"
    );
    assert!(invalid.err.contains("<stdin>:1:"), "{invalid:?}");
    let sentence = "error: there is no plan for profiles that are not valid: mend them first\n";
    assert!(invalid.err.ends_with(sentence), "{invalid:?}");
    assert_eq!(there.aws().control().calls(calls).await?.calls, []);

    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\n";
    let none = tracewright(&there, &["plan", "-"], secret).await?;
    assert_eq!(
        (none.code, none.err.as_str()),
        (
            Some(2),
            "error: no ObservabilityProfile stands in these files\n"
        )
    );

    there
        .aws()
        .control()
        .set_accounts(&[("AKIASOMEBODYELSE0001", "111111111111")])
        .await?;
    let unknown = plan(&there, &declared(), &[]).await?;
    assert_eq!(unknown.code, Some(2), "{unknown:?}");
    let namespace = there.namespace().name();
    let start = format!(
        "error: the AWS account of the profile {namespace}/p cannot be read: sts.GetCallerIdentity failed"
    );
    assert!(unknown.err.starts_with(&start), "{unknown:?}");
    assert!(
        unknown.err.contains("Give credentials as to the AWS CLI"),
        "{unknown:?}"
    );

    let away = plan(
        &there,
        &declared(),
        &["--aws-endpoint-url", "http://127.0.0.1:9"],
    )
    .await?;
    assert_eq!(away.code, Some(2), "{away:?}");
    assert!(
        away.err
            .contains("Check the network, the region and --aws-endpoint-url"),
        "{away:?}"
    );
    Ok(())
}
