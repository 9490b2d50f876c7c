//! Identities are apart: none keeps another from its account, and one that nobody may use any more is not used.

use std::collections::BTreeSet;
use std::fs;

use anyhow::Result;
use serde_json::{Value, json};
use support::operator::Launch;
use support::{Installation, LONG, eventually};

use super::see::{self, ready, synced};

const TEAM: &str = "111122223333";

fn spec(region: &str, role: Option<String>, log_group: &str) -> Value {
    let mut spec = json!({
        "aws": {"region": region},
        "logs": {"groups": [{"name": log_group}]},
    });
    if let Some(role) = role {
        spec["aws"]["roleArn"] = json!(role);
    }
    spec
}

/// The regions in which a role was asked for.
async fn asked_in(there: &Installation) -> Result<BTreeSet<String>> {
    let calls = there.aws().control().calls(0).await?.calls;
    let asked = calls
        .into_iter()
        .filter(|call| call.operation == "sts.AssumeRole");
    Ok(asked.map(|call| call.region).collect())
}

/// As a ServiceAccount's role is, the operator's own role is got from STS.
#[tokio::test]
async fn the_operators_own_role_is_asked_for_in_its_own_region_whoever_comes_first() -> Result<()> {
    for (own, expected) in [
        (Some("us-east-1"), vec!["us-east-1"]),
        // Without one each region has a chain of its own, so that none waits for another.
        (None, vec!["ap-south-1", "eu-west-1"]),
    ] {
        let there = Installation::new().await?;
        let folder = tempfile::tempdir()?;
        let config = folder.path().join("config");
        fs::write(
            &config,
            format!(
                "[default]\nrole_arn = arn:aws:iam::{}:role/operator\nsource_profile = keys\n[profile keys]\naws_access_key_id = AKIATRACEWRIGHTTEST1\naws_secret_access_key = any\n",
                see::ACCOUNT
            ),
        )?;
        let launch = Launch::new(there.control_plane().kubeconfig())
            .env("POD_NAMESPACE", there.namespace().name())
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_CONFIG_FILE", config)
            .env("AWS_ENDPOINT_URL", there.aws().url())
            .env("AWS_ENDPOINT_URL_STS", there.aws().url())
            .env("AWS_REGION", own.unwrap_or_default());
        let mut operator = launch.start()?;
        operator.ready().await?;
        for (name, region) in [("first", "eu-west-1"), ("second", "ap-south-1")] {
            there.apply(name, spec(region, None, "/l")).await?;
            ready(&there, name).await?;
        }
        let expected = expected.into_iter().map(str::to_owned).collect();
        assert_eq!(asked_in(&there).await?, expected, "{own:?}");
    }
    Ok(())
}

/// Waits until the drift check has looked at an account after a call.
async fn checked(there: &Installation, account: &str, region: &str, since: u64) -> Result<()> {
    let what = format!("{account} is checked in {region}");
    eventually(LONG, what, async || {
        let calls = there.aws().control().calls(since).await;
        let calls = calls.map_err(|error| error.to_string())?;
        // Nobody else reads it.
        let read = calls.calls.iter().any(|call| {
            call.operation == "xray.GetSamplingStatisticSummaries"
                && (&*call.account, &*call.region, call.status) == (account, region, 200)
        });
        if read {
            Ok(())
        } else {
            Err(format!("{:?}", calls.counts))
        }
    })
    .await?;
    Ok(())
}

#[tokio::test]
async fn a_role_that_is_withdrawn_is_used_by_no_check() -> Result<()> {
    let there = Installation::new().await?;
    let allow = "tracewright.dev/allowed-role-arns";
    there.allow(&[(allow, "*")]).await?;
    let mut operator = there
        .operator()
        .env("TRACEWRIGHT_DRIFT_INTERVAL", "1s")
        .start()?;
    operator.ready().await?;
    let role = Some(format!("arn:aws:iam::{TEAM}:role/team"));
    there
        .apply("team", spec(see::REGION, role, "/team"))
        .await?;
    there.apply("own", spec(see::REGION, None, "/own")).await?;
    ready(&there, "team").await?;
    ready(&there, "own").await?;
    checked(&there, TEAM, see::REGION, 0).await?;
    there.allow(&[(allow, "")]).await?;
    synced(&there, "team", "False RoleNotAllowed").await?;
    // A check may be under way; the ones that follow it are others'.
    for _ in 0..2 {
        let mark = see::mark(&there).await?;
        checked(&there, see::ACCOUNT, see::REGION, mark).await?;
    }
    let mark = see::mark(&there).await?;
    for _ in 0..2 {
        let mark = see::mark(&there).await?;
        checked(&there, see::ACCOUNT, see::REGION, mark).await?;
    }
    let calls = there.aws().control().calls(mark).await?.calls;
    let of_team: Vec<_> = calls.iter().filter(|call| call.account == TEAM).collect();
    assert!(of_team.is_empty(), "{of_team:?}");
    Ok(())
}

/// Two ways to one account in each of several regions, and one of the two is closed.
#[tokio::test]
async fn an_account_is_checked_by_the_way_that_is_open() -> Result<()> {
    let there = Installation::new().await?;
    there
        .allow(&[("tracewright.dev/allowed-role-arns", "*")])
        .await?;
    let mut operator = there
        .operator()
        .env("TRACEWRIGHT_DRIFT_INTERVAL", "1s")
        .start()?;
    operator.ready().await?;
    let regions = ["us-east-1", "eu-west-1", "ap-south-1", "sa-east-1"];
    for region in regions {
        let role = format!("arn:aws:iam::{}:role/team", see::ACCOUNT);
        for (who, role) in [("own", None), ("role", Some(role))] {
            let name = format!("{who}-{region}");
            let spec = spec(region, role, &format!("/{who}"));
            there.apply(&name, spec).await?;
            ready(&there, &name).await?;
        }
    }
    // The operator's own key is known no longer; what STS gave for the role still is.
    there
        .aws()
        .control()
        .set_accounts(&[("AKIASOMEBODY", see::ACCOUNT)])
        .await?;
    // A check may be under way; the one that follows it has no more than that.
    for _ in 0..2 {
        let mark = see::mark(&there).await?;
        for region in regions {
            checked(&there, see::ACCOUNT, region, mark).await?;
        }
    }
    Ok(())
}
