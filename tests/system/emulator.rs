//! The emulator's control interface as the tests use it: each request does what its method says.

use std::time::Duration;

use anyhow::{Context, Result};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use support::aws::{Aws, ControlError, Counts, Fault, When};
use support::{SHORT, eventually};

const ACCOUNT: &str = "123456789012";
const REGION: &str = "eu-central-1";

/// Creates an X-Ray group with a request that is signed in form, which is all that the emulator can check.
async fn create_group(aws: &Aws, name: &str) -> reqwest::Result<(u16, Value)> {
    let now = Timestamp::now().to_zoned(TimeZone::UTC);
    let scope = format!(
        "AKIATEST/{}/{REGION}/xray/aws4_request",
        now.strftime("%Y%m%d")
    );
    let signature = "0".repeat(64);
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host;x-amz-date, Signature={signature}"
    );
    let request = reqwest::Client::new()
        .post(format!("{}/CreateGroup", aws.url()))
        .header("X-Amz-Date", now.strftime("%Y%m%dT%H%M%SZ").to_string())
        .header("Authorization", authorization)
        .json(&json!({"GroupName": name}));
    let answer = request.send().await?;
    Ok((answer.status().as_u16(), answer.json().await?))
}

/// The names of the groups in the state.
fn names(state: &Value) -> String {
    let text = state.to_string();
    let known = ["one", "two", "three"];
    let there = known.map(|name| {
        if text.contains(&format!("\"{name}\"")) {
            name
        } else {
            "-"
        }
    });
    there.join(" ")
}

#[tokio::test]
async fn calls_are_counted_since_a_number_and_from_nothing_after_a_reset() -> Result<()> {
    let aws = Aws::start()?;
    assert_eq!(create_group(&aws, "one").await?.0, 200);
    let first = aws.control().calls(0).await?;
    assert_eq!(create_group(&aws, "one").await?.0, 400);
    let second = aws.control().calls(first.last).await?;
    let all = aws.control().calls(0).await?;

    let counts = |ok, error| Counts {
        ok,
        error,
        throttled: 0,
    };
    assert_eq!(first.of("xray."), counts(1, 0));
    assert_eq!(second.of("xray.CreateGroup"), counts(0, 1));
    assert_eq!(all.of(""), counts(1, 1));
    assert_eq!(all.of("logs."), counts(0, 0));
    let call = second.calls.first().context("one call since")?;
    assert_eq!(
        (
            call.account.as_str(),
            call.region.as_str(),
            call.operation.as_str()
        ),
        (ACCOUNT, REGION, "xray.CreateGroup")
    );

    aws.control().reset().await?;
    assert_eq!(aws.control().calls(0).await?.of(""), counts(0, 0));
    assert_eq!(create_group(&aws, "one").await?.0, 200);
    Ok(())
}

#[tokio::test]
async fn a_fault_touches_the_calls_it_names_until_it_is_removed() -> Result<()> {
    let aws = Aws::start()?;
    let control = aws.control();
    let fault = Fault::error("xray.CreateGroup", 503, "ServiceUnavailable").account(ACCOUNT);
    let fault = control.inject(&fault).await?;
    control
        .inject(&Fault::error("logs.*", 500, "InternalFailure"))
        .await?;
    assert_eq!(create_group(&aws, "one").await?.0, 503);
    control.remove(fault).await?;
    assert_eq!(create_group(&aws, "one").await?.0, 200);

    control
        .inject(&Fault::throttle("xray.*").nth(2).times(1))
        .await?;
    assert_eq!(create_group(&aws, "two").await?.0, 200);
    assert_eq!(create_group(&aws, "three").await?.0, 429);
    assert_eq!(create_group(&aws, "three").await?.0, 200);
    control.clear_faults().await?;

    control
        .inject(&Fault::lose_reply("xray.*").times(1))
        .await?;
    assert!(create_group(&aws, "four").await.is_err(), "an answer came");
    assert_eq!(
        create_group(&aws, "four").await?.0,
        400,
        "the group is there"
    );

    let delay = Duration::from_millis(300);
    control
        .inject(&Fault::delay("xray.*", 300).probability(1.0, 7))
        .await?;
    let began = std::time::Instant::now();
    create_group(&aws, "five").await?;
    assert!(began.elapsed() >= delay);

    control.clear_faults().await?;
    control.inject(&Fault::hang("xray.*")).await?;
    let call = tokio::time::timeout(delay, create_group(&aws, "six")).await;
    assert!(call.is_err(), "a hanging call was answered: {call:?}");
    Ok(())
}

#[tokio::test]
async fn a_held_call_goes_on_when_told_and_not_before() -> Result<()> {
    let aws = Aws::start()?;
    let control = aws.control();
    for (name, when, seen) in [
        ("one", When::Before, "- - -"),
        ("two", When::After, "one two -"),
    ] {
        let fault = control
            .inject(&Fault::stop("xray.CreateGroup", when))
            .await?;
        let call = create_group(&aws, name);
        let steer = async {
            let stop = eventually(SHORT, "a call is held", async || {
                let stops = control.stops().await.map_err(|error| error.to_string())?;
                stops.into_iter().next().ok_or("none".to_owned())
            })
            .await?;
            assert_eq!(stop.operation, "xray.CreateGroup");
            assert_eq!(names(&control.state(ACCOUNT, REGION).await?), seen);
            control.remove(fault).await?;
            control.go_on(&stop).await?;
            anyhow::Ok(stop)
        };
        let (answer, stop) = tokio::join!(call, steer);
        assert_eq!(answer?.0, 200);
        let again = control.go_on(&stop?).await.err().context("twice")?;
        assert!(matches!(again, ControlError::Refused { .. }), "{again}");
    }
    Ok(())
}

#[tokio::test]
async fn rates_limits_accounts_clock_and_state_are_what_they_were_set_to() -> Result<()> {
    let aws = Aws::start()?;
    let control = aws.control();
    control.set_limit("xray.groups", 1).await?;
    assert_eq!(create_group(&aws, "one").await?.0, 200);
    assert_eq!(create_group(&aws, "two").await?.0, 400, "over the quota");

    let kept = control.state(ACCOUNT, REGION).await?;
    control.set_state(ACCOUNT, REGION, &json!({})).await?;
    assert_eq!(names(&control.state(ACCOUNT, REGION).await?), "- - -");
    control.set_state(ACCOUNT, REGION, &kept).await?;
    assert_eq!(control.state(ACCOUNT, REGION).await?, kept);

    control.set_speed(0.0).await?;
    control.advance(Duration::from_secs(3600)).await?;
    create_group(&aws, "one").await?;
    let times: Vec<Timestamp> = control
        .calls(0)
        .await?
        .calls
        .iter()
        .map(|call| call.time.parse())
        .collect::<Result<_, _>>()?;
    let last = times.last().context("there were calls")?;
    let gone = last.duration_since(*times.first().context("there were calls")?);
    assert!(gone.as_secs() >= 3600, "{gone:?}");

    control.set_rate("xray.CreateGroup", 0.0, 1.0).await?;
    create_group(&aws, "two").await?;
    assert_eq!(
        create_group(&aws, "two").await?.0,
        429,
        "the bucket is empty"
    );
    control.set_accounts(&[("AKIAOTHER", ACCOUNT)]).await?;
    let (_, answer) = create_group(&aws, "two").await?;
    assert!(
        answer.to_string().contains("security token"),
        "an unknown key is refused: {answer}"
    );
    Ok(())
}

#[tokio::test]
async fn a_mistake_is_told() -> Result<()> {
    let aws = Aws::start()?;
    let fault = Fault::throttle("xray.Nonsense");
    let refused = aws.control().inject(&fault).await;
    let refused = refused.err().context("it was taken")?;
    assert!(refused.to_string().contains("xray.Nonsense"), "{refused}");
    Ok(())
}
