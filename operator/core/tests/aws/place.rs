//! Objects stay in their account and region, and a profile that holds some there is carried out nowhere else.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::{Value, json};
use tracewright_core::crd::{Mode, ObservabilityProfile};
use tracewright_core::desired::{Invalid, check_account, validate};
use tracewright_core::identity::TagMap;
use tracewright_core::observed::{LogGroupState, Seen, Tags};
use tracewright_core::report::{AwsFacts, Fact, Facts, status};
use tracewright_core::rights::Rights;
use tracewright_xray::contract::condition::reason;

use crate::carry::plan;
use crate::update::case_of;

const HERE: &str = "111111111111";
const THERE: &str = "222222222222";

fn profile(spec: Value, status: Value) -> ObservabilityProfile {
    let manifest = json!({
        "metadata": {"namespace": "team", "name": "me"},
        "spec": spec,
        "status": status,
    });
    serde_json::from_value(manifest).expect("a profile")
}

fn region(profile: &ObservabilityProfile, default: Option<&str>) -> Result<String, Invalid> {
    validate(profile, &Rights::default(), default).map(|desired| desired.region)
}

/// A status that lists these log groups.
fn listing(items: &[Value]) -> Value {
    json!({"region": "us-east-1", "accountId": HERE, "logGroups": items})
}

fn ours(name: &str) -> Value {
    json!({"name": name, "arn": format!("arn:{name}"), "state": "Synced", "deletionPolicy": "Retain"})
}

/// What a status may list without anything being held there.
fn nothing() -> [Value; 4] {
    let with = |state: &str, more: Value| {
        let mut item = json!({"name": "/l", "state": state});
        let more = more.as_object().expect("an object").clone();
        item.as_object_mut().expect("an object").extend(more);
        item
    };
    [
        with("Foreign", json!({"arn": "arn:/l"})),
        with("Retained", json!({"arn": "arn:/l"})),
        with("Pending", json!({})),
        // Its creation was denied.
        with(
            "Pending",
            json!({"deletionPolicy": "Delete", "message": "denied"}),
        ),
    ]
}

#[test]
fn a_region_is_the_profiles_own_or_the_operators_and_stays_while_something_is_held_there() {
    let own = profile(json!({"aws": {"region": "us-east-1"}}), json!({}));
    let none = profile(json!({}), json!({}));
    assert_eq!(region(&own, Some("eu-west-1")), Ok("us-east-1".to_owned()));
    assert_eq!(region(&none, Some("eu-west-1")), Ok("eu-west-1".to_owned()));
    assert_eq!(region(&none, None), Err(Invalid::NoRegion));

    let holding = profile(json!({}), listing(&[ours("/l")]));
    assert_eq!(
        region(&holding, Some("us-east-1")),
        Ok("us-east-1".to_owned())
    );
    let changed = Invalid::RegionChanged {
        was: "us-east-1".to_owned(),
        now: "eu-west-1".to_owned(),
    };
    assert!(
        changed
            .to_string()
            .contains("set spec.aws.region: us-east-1")
    );
    assert_eq!(region(&holding, Some("eu-west-1")), Err(changed));

    for item in nothing() {
        let free = profile(json!({}), listing(std::slice::from_ref(&item)));
        let region = region(&free, Some("eu-west-1"));
        assert_eq!(region, Ok("eu-west-1".to_owned()), "{item}");
    }
}

#[test]
fn who_goes_goes_from_the_region_that_holds_its_objects() {
    for (status, expected) in [
        (listing(&[ours("/l")]), "us-east-1"),
        (listing(&[]), "us-east-1"),
        (json!({}), "eu-west-1"),
    ] {
        let mut leaving = profile(json!({"aws": {"region": "eu-west-1"}}), status);
        leaving.metadata.deletion_timestamp = Some(Time(jiff::Timestamp::UNIX_EPOCH));
        let region = region(&leaving, Some("ap-south-1"));
        assert_eq!(region, Ok(expected.to_owned()));
    }
}

#[test]
fn an_account_that_holds_something_is_not_left_for_another() {
    let check = |items: &[Value], reached: &str| {
        let profile = profile(json!({}), listing(items));
        check_account(profile.status.as_ref(), reached)
    };
    assert_eq!(check_account(None, THERE), Ok(()));
    assert_eq!(check(&[ours("/l")], HERE), Ok(()));
    for item in nothing() {
        assert_eq!(check(std::slice::from_ref(&item), THERE), Ok(()), "{item}");
    }
    let many: Vec<Value> = (0..7).map(|number| ours(&format!("/{number}"))).collect();
    let invalid = check(&many, THERE).expect_err("it is refused");
    assert_eq!(invalid.reason(), reason::ACCOUNT_CHANGED);
    let told = invalid.to_string();
    for part in [
        HERE,
        THERE,
        "log group /0, ",
        "log group /4, 2 more",
        "roleArn",
    ] {
        assert!(told.contains(part), "{part} is not in: {told}");
    }
}

/// A profile in mode Preview, with its first status: one object would be made, one taken over.
fn previewed() -> ObservabilityProfile {
    let log_group = json!({"name": "/theirs", "adoptionPolicy": "Adopt"});
    let mut case = case_of(json!({"groups": [{"name": "new"}]}), json!([log_group]));
    let theirs = Seen {
        arn: "arn:/theirs".to_owned(),
        state: LogGroupState::default(),
        tags: Tags::Read(TagMap::new()),
    };
    case.observed
        .log_groups
        .insert("/theirs".to_owned(), theirs);
    let plan = plan(&case);
    assert_eq!(plan.writes().count(), 2);
    let facts = Facts {
        aws: AwsFacts::Observed {
            account_id: HERE.to_owned(),
            region: "us-east-1".to_owned(),
            preview: plan.changes(),
            plan: plan.previewed(),
        },
        receiver: Fact::yes(reason::NOT_DECLARED, ""),
        injected: Fact::yes(reason::NONE_SELECTED, ""),
        workloads: Default::default(),
        env: Vec::new(),
        traffic: Fact::unknown(reason::NOT_DECLARED, ""),
        notes: Vec::new(),
    };
    let mut profile = case.profile;
    profile.spec.mode = Mode::Preview;
    profile.spec.aws = None;
    profile.status = Some(status(&profile, &facts, jiff::Timestamp::UNIX_EPOCH));
    profile
}

#[test]
fn what_was_only_previewed_is_held_nowhere() {
    let previewed = previewed();
    let elsewhere = region(&previewed, Some("eu-west-1"));
    assert_eq!(elsewhere, Ok("eu-west-1".to_owned()));
    assert_eq!(check_account(previewed.status.as_ref(), THERE), Ok(()));
}

#[test]
fn what_was_released_in_one_account_is_not_listed_of_another() {
    for (account, listed) in [(HERE, 1), (THERE, 0)] {
        let retained = json!({"name": "/old", "arn": "arn:/old", "state": "Retained"});
        let mut case = case_of(json!({}), json!([]));
        let mut known = listing(&[retained]);
        known["observedGeneration"] = json!(1);
        case.profile.status = serde_json::from_value(known).expect("a status");
        let facts = Facts {
            aws: AwsFacts::Observed {
                account_id: account.to_owned(),
                region: "us-east-1".to_owned(),
                preview: Vec::new(),
                plan: plan(&case).applied(Default::default()),
            },
            receiver: Fact::yes(reason::NOT_DECLARED, ""),
            injected: Fact::yes(reason::NONE_SELECTED, ""),
            workloads: Default::default(),
            env: Vec::new(),
            traffic: Fact::unknown(reason::NOT_DECLARED, ""),
            notes: Vec::new(),
        };
        let status = status(&case.profile, &facts, jiff::Timestamp::UNIX_EPOCH);
        assert_eq!(status.log_groups.len(), listed, "{account}");
    }
}
