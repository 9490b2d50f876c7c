//! AWS does not answer, or not to us: the status says so in words that help, and everything goes on when it does.

use anyhow::Result;
use serde_json::{Value, json};
use support::aws::Fault;
use support::operator::Launch;
use support::{Installation, SHORT, eventually};
use tracewright_core::crd::status::ItemState;

use super::see::{self, counts, in_state, ready, synced, writes};

fn spec() -> Value {
    json!({
        "service": {"name": "backend"},
        "aws": {"region": see::REGION},
        "xray": {
            "groups": [{"name": "g"}],
            "samplingRules": [{"name": "r", "priority": 1, "fixedRate": 0.1, "reservoirSize": 5}],
        },
        "logs": {"groups": [{"name": "/l", "retentionInDays": 7}]},
    })
}

#[tokio::test]
async fn without_credentials_the_operator_runs_and_says_so() -> Result<()> {
    let there = Installation::new().await?;
    // No variables of AWS but those that keep the SDK from asking the machine for credentials.
    let launch = Launch::new(there.control_plane().kubeconfig())
        .env("POD_NAMESPACE", there.namespace().name())
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("TRACEWRIGHT_AWS_ENDPOINT_URL", there.aws().url());
    let mut operator = launch.start()?;
    operator.ready().await?;
    there.apply("p", spec()).await?;
    let sentence = synced(&there, "p", "False CredentialsMissing").await?;
    assert!(
        sentence.contains("Give the operator credentials (IRSA, Pod Identity or a Secret)"),
        "{sentence}"
    );
    // What the profile alone tells is told without AWS as well.
    let mut advised = spec();
    advised["xray"]["dynamicNaming"] = json!("*.example.com");
    there.apply("p", advised).await?;
    see::until(&there.profiles(), "p", "it is advised", |profile| {
        (see::verdict(profile, "Advisories") == "True NameCannotMatch").then_some(())
    })
    .await?;
    synced(&there, "p", "False CredentialsMissing").await?;
    // A profile that needs no AWS minds neither this nor that no region is known.
    there
        .apply("other", json!({"service": {"name": "backend"}}))
        .await?;
    ready(&there, "other").await?;
    synced(&there, "other", "True NothingDeclared").await?;
    // One that needs it is told.
    there
        .apply("nowhere", json!({"logs": {"groups": [{"name": "/l"}]}}))
        .await?;
    let sentence = synced(&there, "nowhere", "False Invalid").await?;
    assert!(sentence.contains("set spec.aws.region"), "{sentence}");
    operator.process().check()?;
    Ok(())
}

#[tokio::test]
async fn credentials_that_become_valid_are_used() -> Result<()> {
    let there = Installation::new().await?;
    there
        .aws()
        .control()
        .set_accounts(&[("AKIASOMEBODY", "999999999999")])
        .await?;
    let mut operator = there.operator().start()?;
    operator.ready().await?;
    there.apply("p", spec()).await?;
    synced(&there, "p", "False CredentialsMissing").await?;
    assert_eq!(writes(&there, 0).await?, counts([]));
    there
        .aws()
        .control()
        .set_accounts(&[("AKIATRACEWRIGHTTEST1", see::ACCOUNT)])
        .await?;
    ready(&there, "p").await?;
    Ok(())
}

#[tokio::test]
async fn what_aws_denies_is_named_and_tried_again() -> Result<()> {
    let there = Installation::new().await?;
    let mut operator = there.operator().start()?;
    operator.ready().await?;
    let fault = there
        .aws()
        .control()
        .inject(&Fault::error(
            "xray.GetGroups",
            403,
            "AccessDeniedException",
        ))
        .await?;
    there.apply("p", spec()).await?;
    let sentence = synced(&there, "p", "False AccessDenied").await?;
    assert!(
        sentence.contains("xray.GetGroups") && sentence.contains("IAM policy"),
        "{sentence}"
    );
    there.aws().control().remove(fault).await?;
    ready(&there, "p").await?;
    Ok(())
}

#[tokio::test]
async fn what_is_denied_for_one_object_holds_no_other_up() -> Result<()> {
    let there = Installation::new().await?;
    let mut operator = there.operator().start()?;
    operator.ready().await?;
    let fault = there
        .aws()
        .control()
        .inject(&Fault::error(
            "logs.CreateLogGroup",
            400,
            "AccessDeniedException",
        ))
        .await?;
    there.apply("p", spec()).await?;
    let sentence = synced(&there, "p", "False AccessDenied").await?;
    assert!(
        sentence.contains("log group /l: logs.CreateLogGroup failed"),
        "{sentence}"
    );
    for name in ["g", "r"] {
        in_state(&there, "p", name, ItemState::Synced).await?;
    }
    there.aws().control().remove(fault).await?;
    ready(&there, "p").await?;
    Ok(())
}

/// Where IAM decides by tags, a log group's own tags are not seen at once after its creation.
#[tokio::test]
async fn a_denial_right_after_a_creation_passes() -> Result<()> {
    let there = Installation::new().await?;
    let mut operator = there.operator().start()?;
    operator.ready().await?;
    there
        .aws()
        .control()
        .inject(&Fault::error("logs.PutRetentionPolicy", 400, "AccessDeniedException").times(2))
        .await?;
    there.apply("p", spec()).await?;
    ready(&there, "p").await?;
    assert_eq!(
        see::part(&there, "/logs/logGroups/~1l/retentionInDays").await?,
        7
    );
    let made = writes(&there, 0).await?;
    assert_eq!(
        (
            made.get("logs.CreateLogGroup"),
            made.get("logs.PutRetentionPolicy")
        ),
        (Some(&1), Some(&3))
    );
    Ok(())
}

#[tokio::test]
async fn an_aws_that_fails_or_is_away_is_unreachable_until_it_is_back() -> Result<()> {
    let there = Installation::new().await?;
    let mut operator = there.operator().start()?;
    operator.ready().await?;
    there
        .aws()
        .control()
        .inject(&Fault::error("xray.*", 503, "ServiceUnavailable"))
        .await?;
    there.apply("p", spec()).await?;
    let sentence = synced(&there, "p", "False Unreachable").await?;
    assert!(
        sentence.contains("Check the network, the region and the AWS endpoint"),
        "{sentence}"
    );
    there.aws().control().clear_faults().await?;
    let before = ready(&there, "p").await?;

    // What was known stays on show while nothing can be seen.
    there
        .aws()
        .control()
        .inject(&Fault::error("logs.*", 500, "InternalFailure"))
        .await?;
    see::request(&there, "p").await?;
    synced(&there, "p", "False Unreachable").await?;
    let now = there.profiles().get("p").await?;
    let items = |profile: &tracewright_core::crd::ObservabilityProfile| {
        profile
            .status
            .clone()
            .map(|status| (status.groups, status.log_groups))
    };
    assert_eq!(items(&now), items(&before));
    there.aws().control().clear_faults().await?;
    ready(&there, "p").await?;
    Ok(())
}

/// Also what stands for AWS elsewhere and has CloudWatch Logs only.
#[tokio::test]
async fn an_xray_that_does_not_answer_holds_no_log_group_up() -> Result<()> {
    let there = Installation::new().await?;
    let mut operator = there.operator().start()?;
    operator.ready().await?;
    let control = there.aws().control();
    control
        .inject(&Fault::error("xray.*", 503, "ServiceUnavailable"))
        .await?;
    there.apply("p", spec()).await?;
    synced(&there, "p", "False Unreachable").await?;
    in_state(&there, "p", "/l", ItemState::Synced).await?;
    for name in ["g", "r"] {
        in_state(&there, "p", name, ItemState::Pending).await?;
    }
    let logs_only = json!({"service": {"name": "web"}, "aws": {"region": see::REGION}, "logs": {"groups": [{"name": "/alone"}]}});
    there.apply("logs-only", logs_only).await?;
    ready(&there, "logs-only").await?;

    control.clear_faults().await?;
    ready(&there, "p").await?;

    // What was known of X-Ray stays on show, and log groups are still looked after.
    control
        .inject(&Fault::error("xray.*", 503, "ServiceUnavailable"))
        .await?;
    see::request(&there, "p").await?;
    synced(&there, "p", "False Unreachable").await?;
    for name in ["g", "r", "/l"] {
        in_state(&there, "p", name, ItemState::Synced).await?;
    }
    control.clear_faults().await?;
    ready(&there, "p").await?;
    Ok(())
}

#[tokio::test]
async fn an_endpoint_where_nobody_listens_is_unreachable() -> Result<()> {
    let there = Installation::new().await?;
    let mut operator = there
        .operator()
        .env("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        .start()?;
    operator.ready().await?;
    there.apply("p", spec()).await?;
    synced(&there, "p", "False Unreachable").await?;
    Ok(())
}

#[tokio::test]
async fn expired_credentials_are_told_as_missing_ones() -> Result<()> {
    let there = Installation::new().await?;
    let mut operator = there.operator().start()?;
    operator.ready().await?;
    there.apply("p", spec()).await?;
    ready(&there, "p").await?;
    let fault = Fault::error("xray.GetSamplingRules", 403, "ExpiredTokenException");
    let fault = there.aws().control().inject(&fault).await?;
    see::request(&there, "p").await?;
    let sentence = synced(&there, "p", "False CredentialsMissing").await?;
    assert!(sentence.contains("have not expired"), "{sentence}");
    eventually(SHORT, "the failed calls are counted by their code", async || {
        let prefix = "tracewright_aws_calls_total{service=\"xray\",operation=\"GetSamplingRules\",code=\"ExpiredTokenException\"}";
        let count = operator.metric(prefix).await.map_err(|error| error.to_string())?;
        if count >= 1.0 { Ok(()) } else { Err(format!("{count}")) }
    })
    .await?;
    there.aws().control().remove(fault).await?;
    ready(&there, "p").await?;
    Ok(())
}
