//! Two profiles want one name: the older gets it, the holder keeps it, and the other takes over when it is let go.

use anyhow::Result;
use serde_json::{Value, json};
use support::installation::{allow, apply};
use support::{Installation, Namespace};
use tracewright_core::crd::status::ItemState;

use super::see::{self, counts, in_state, mark, marked, part, ready, synced, until, writes};

fn rule(rate: f64) -> Value {
    json!({
        "service": {"name": "backend"},
        "xray": {"samplingRules": [{"name": "shared", "priority": 1, "fixedRate": rate, "reservoirSize": 1}]},
    })
}

fn nothing() -> Value {
    json!({"service": {"name": "backend"}, "aws": {"region": see::REGION}})
}

async fn rate(there: &Installation) -> Result<Value> {
    part(there, "/xray/samplingRules/shared/fixedRate").await
}

#[tokio::test]
async fn of_two_new_profiles_the_older_gets_the_name() -> Result<()> {
    let there = Installation::new().await?;
    // Both are there before the operator is; creation times have whole seconds.
    there.apply("z-older", rule(0.1)).await?;
    let older = there
        .profiles()
        .get("z-older")
        .await?
        .metadata
        .creation_timestamp;
    support::eventually(support::SHORT, "the next second has begun", async || {
        let probe = there
            .apply("a-younger", rule(0.9))
            .await
            .map_err(|error| error.to_string())?;
        if probe.metadata.creation_timestamp > older {
            return Ok(());
        }
        there
            .profiles()
            .delete("a-younger", &Default::default())
            .await
            .map_err(|error| error.to_string())?;
        Err("it is the same second".to_owned())
    })
    .await?;
    let mut operator = there.operator().start()?;
    operator.ready().await?;
    ready(&there, "z-older").await?;
    let sentence = in_state(&there, "a-younger", "shared", ItemState::Conflict).await?;
    assert!(
        sentence.contains(&format!("{}/z-older", there.namespace().name())),
        "{sentence}"
    );
    synced(&there, "a-younger", "False Conflict").await?;
    assert_eq!(rate(&there).await?, 0.1);
    assert_eq!(
        writes(&there, 0).await?,
        counts([("xray.CreateSamplingRule", 1)])
    );
    Ok(())
}

#[tokio::test]
async fn the_holder_keeps_the_name_though_another_profile_of_another_namespace_may_adopt()
-> Result<()> {
    let there = Installation::new().await?;
    let rivals = Namespace::create(there.control_plane(), "rival").await?;
    allow(&rivals, &[("tracewright.dev/allow-adopt", "*")]).await?;
    let mut operator = there.operator().start()?;
    operator.ready().await?;
    there.apply("holder", rule(0.1)).await?;
    ready(&there, "holder").await?;
    let mark = mark(&there).await?;
    let mut attack = rule(0.9);
    attack["xray"]["samplingRules"][0]["adoptionPolicy"] = json!("Adopt");
    apply(&rivals.api(), "rival", attack).await?;
    until(
        &rivals.api(),
        "rival",
        "it is told of the conflict",
        |profile| {
            let item = see::item(profile, "shared")?;
            (item.state == ItemState::Conflict && item.message.as_ref()?.contains("/holder"))
                .then_some(())
        },
    )
    .await?;
    // Its end takes nothing away either.
    let rival = rivals.api::<tracewright_core::crd::ObservabilityProfile>();
    rival.delete("rival", &Default::default()).await?;
    support::eventually(support::SHORT, "the rival is gone", async || {
        match rival.get_opt("rival").await {
            Ok(None) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await?;
    assert_eq!(writes(&there, mark).await?, counts([]));
    assert_eq!(rate(&there).await?, 0.1);
    Ok(())
}

#[tokio::test]
async fn the_waiting_profile_takes_over_what_leaves_the_holders_list() -> Result<()> {
    let there = Installation::new().await?;
    let mut operator = there.operator().start()?;
    operator.ready().await?;
    there.apply("holder", rule(0.1)).await?;
    ready(&there, "holder").await?;
    there.apply("waiting", rule(0.9)).await?;
    in_state(&there, "waiting", "shared", ItemState::Conflict).await?;
    there.apply("holder", nothing()).await?;
    ready(&there, "waiting").await?;
    assert_eq!(rate(&there).await?, 0.9);
    assert_eq!(
        part(&there, "/xray/samplingRules/shared/tags").await?,
        marked(&there, "waiting", "Delete")
    );
    Ok(())
}

#[tokio::test]
async fn the_waiting_profile_takes_over_when_the_holder_is_deleted() -> Result<()> {
    let there = Installation::new().await?;
    let mut operator = there.operator().start()?;
    operator.ready().await?;
    there.apply("holder", rule(0.1)).await?;
    ready(&there, "holder").await?;
    there.apply("waiting", rule(0.9)).await?;
    in_state(&there, "waiting", "shared", ItemState::Conflict).await?;
    there
        .profiles()
        .delete("holder", &Default::default())
        .await?;
    see::gone(&there, "holder").await?;
    ready(&there, "waiting").await?;
    assert_eq!(rate(&there).await?, 0.9);
    Ok(())
}

#[tokio::test]
async fn a_kept_log_group_goes_from_one_profile_to_the_next_where_adopting_is_allowed() -> Result<()>
{
    let there = Installation::new().await?;
    there
        .allow(&[("tracewright.dev/allow-adopt", "/shared")])
        .await?;
    let mut operator = there.operator().start()?;
    operator.ready().await?;
    let log_group = |days: i32| json!({"logs": {"groups": [{"name": "/shared", "retentionInDays": days, "adoptionPolicy": "Adopt"}]}});
    there.apply("holder", log_group(7)).await?;
    ready(&there, "holder").await?;
    there.apply("waiting", log_group(30)).await?;
    in_state(&there, "waiting", "/shared", ItemState::Conflict).await?;
    there
        .profiles()
        .delete("holder", &Default::default())
        .await?;
    see::gone(&there, "holder").await?;
    ready(&there, "waiting").await?;
    assert_eq!(
        part(&there, "/logs/logGroups/~1shared/retentionInDays").await?,
        30
    );
    // It was taken over and not made anew: its events are still there.
    assert_eq!(
        writes(&there, 0).await?.get("logs.CreateLogGroup"),
        Some(&1)
    );
    Ok(())
}
