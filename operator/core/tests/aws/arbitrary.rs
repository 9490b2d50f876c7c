//! Random profiles as the API server admits them, random namespaces' rights and random accounts.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::core::ObjectMeta;
use proptest::collection::{btree_map, btree_set};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use tracewright_core::crd::{
    AdoptionPolicy, Aws, DeletionPolicy, Group, Insights, LogGroup, LogGroupClass, Logs, Mode,
    ObservabilityProfile, ObservabilityProfileSpec, SamplingRateBoost, SamplingRule, Service, XRay,
};
use tracewright_core::desired::{CustomRule, Desired, validate};
use tracewright_core::identity::{Kind, OwnerTags, ProfileRef, TagMap};
use tracewright_core::observed::{Claims, GroupState, LogGroupState, Observed, Quotas, Seen, Tags};
use tracewright_core::rights::Rights;
use tracewright_xray::contract::name::DEFAULT_RULE;
use tracewright_xray::contract::{annotation, tag};

/// Id of the cluster in which everything happens.
pub const CLUSTER: &str = "this-cluster";
/// Another cluster that uses the same account.
pub const OTHER_CLUSTER: &str = "that-cluster";
const REGION: &str = "us-east-1";
const ACCOUNT: &str = "123456789012";

// Few names, so that what is declared and what is there meet often; one is the beginning of another.
const GROUPS: [&str; 4] = ["a", "ab", "b", "c"];
const RULES: [&str; 4] = ["a", "ab", "b", DEFAULT_RULE];
const LOG_GROUPS: [&str; 4] = ["/a", "/a-b", "/b", "/c"];

/// The profile that the tests look at.
pub fn me() -> ProfileRef {
    ProfileRef::new("team", "me")
}

/// Another profile that exists in this cluster.
pub fn rival() -> ProfileRef {
    ProfileRef::new("team", "rival")
}

/// A profile of this cluster that exists no more.
pub fn gone() -> ProfileRef {
    ProfileRef::new("team", "gone")
}

/// One profile, its account and the rest of the cluster.
#[derive(Clone, Debug)]
pub struct Case {
    /// The profile.
    pub profile: ObservabilityProfile,
    /// What it wants.
    pub desired: Desired,
    /// What is there, all tags known.
    pub observed: Observed,
    /// What others want.
    pub claims: Claims,
}

/// Everything at random.
pub fn case() -> impl Strategy<Value = Case> {
    (profile(), rights(), observed(), claims()).prop_map(|(profile, rights, observed, claims)| {
        let desired = validate(&profile, &rights, None).expect("region and role are fine");
        Case {
            profile,
            desired,
            observed,
            claims,
        }
    })
}

/// A profile, at times one that is being deleted.
pub fn profile() -> impl Strategy<Value = ObservabilityProfile> {
    let life = prop_oneof![
        6 => Just((Mode::Apply, false)),
        2 => Just((Mode::Preview, false)),
        1 => Just((Mode::Apply, true)),
        1 => Just((Mode::Preview, true)),
        // A suspended profile that stays is never compared with anything.
        1 => Just((Mode::Suspended, true)),
    ];
    (life, spec()).prop_map(|((mode, deleting), spec)| ObservabilityProfile {
        metadata: ObjectMeta {
            namespace: Some(me().namespace),
            name: Some(me().name),
            generation: Some(1),
            deletion_timestamp: deleting.then_some(Time(jiff::Timestamp::UNIX_EPOCH)),
            ..ObjectMeta::default()
        },
        spec: ObservabilityProfileSpec { mode, ..spec },
        status: None,
    })
}

fn spec() -> impl Strategy<Value = ObservabilityProfileSpec> {
    (
        some_of(&GROUPS, group()),
        some_of(&RULES, rule()),
        some_of(&LOG_GROUPS, log_group()),
    )
        .prop_map(|(groups, rules, log_groups)| ObservabilityProfileSpec {
            service: Some(Service {
                name: Some("backend".to_owned()),
                ..Service::default()
            }),
            aws: Some(Aws {
                region: Some(REGION.to_owned()),
                role_arn: None,
            }),
            xray: Some(XRay {
                groups: named(groups, |group, name| Group { name, ..group }),
                sampling_rules: named(rules, admitted),
                ..XRay::default()
            }),
            logs: Some(Logs {
                groups: named(log_groups, |group, name| LogGroup { name, ..group }),
                ship: None,
            }),
            ..ObservabilityProfileSpec::default()
        })
}

fn some_of<T: std::fmt::Debug>(
    names: &'static [&'static str],
    item: impl Strategy<Value = T>,
) -> impl Strategy<Value = BTreeMap<&'static str, T>> {
    btree_map(select(names), item, 0..=names.len())
}

fn named<T>(items: BTreeMap<&'static str, T>, name: impl Fn(T, String) -> T) -> Vec<T> {
    items
        .into_iter()
        .map(|(key, item)| name(item, key.to_owned()))
        .collect()
}

/// Of the rule `Default` the schema admits two fields.
fn admitted(rule: SamplingRule, name: String) -> SamplingRule {
    if name != DEFAULT_RULE {
        return SamplingRule { name, ..rule };
    }
    SamplingRule {
        name,
        fixed_rate: rule.fixed_rate,
        reservoir_size: rule.reservoir_size,
        tags: rule.tags,
        adoption_policy: rule.adoption_policy,
        ..SamplingRule::default()
    }
}

fn adoption_policy() -> impl Strategy<Value = AdoptionPolicy> {
    select(vec![
        AdoptionPolicy::Reject,
        AdoptionPolicy::Adopt,
        AdoptionPolicy::Observe,
    ])
}

fn deletion_policy() -> impl Strategy<Value = DeletionPolicy> {
    select(vec![DeletionPolicy::Delete, DeletionPolicy::Retain])
}

fn user_tags() -> impl Strategy<Value = TagMap> {
    btree_map(
        select(vec!["owner".to_owned(), "stage".to_owned()]),
        select(vec!["x".to_owned(), "y".to_owned()]),
        0..=2,
    )
}

fn expression() -> impl Strategy<Value = String> {
    select(vec![
        "service(\"backend\")".to_owned(),
        "fault".to_owned(),
        "responsetime > 5".to_owned(),
    ])
}

fn group() -> impl Strategy<Value = Group> {
    // Notifications need insights.
    let insights =
        (any::<bool>(), option::of(any::<bool>())).prop_map(|(enabled, notifications)| Insights {
            enabled,
            notifications: notifications.map(|notifications| notifications && enabled),
        });
    (
        option::of(prop_oneof![9 => expression(), 1 => Just("service(".to_owned())]),
        option::of(insights),
        user_tags(),
        adoption_policy(),
        option::of(deletion_policy()),
    )
        .prop_map(
            |(filter_expression, insights, tags, adoption_policy, deletion_policy)| Group {
                name: String::new(),
                filter_expression,
                insights,
                tags,
                adoption_policy,
                deletion_policy,
            },
        )
}

fn rate() -> impl Strategy<Value = f64> {
    select(vec![0.0, 0.05, 0.1, 0.333_333_333_333, 1.0])
}

fn pattern() -> impl Strategy<Value = String> {
    select(vec!["*".to_owned(), "x*".to_owned(), "y".to_owned()])
}

fn boost() -> impl Strategy<Value = SamplingRateBoost> {
    (rate(), 1..4).prop_map(|(max_rate, cooldown_window_minutes)| SamplingRateBoost {
        max_rate,
        cooldown_window_minutes,
    })
}

fn rule() -> impl Strategy<Value = SamplingRule> {
    let patterns = proptest::array::uniform6(option::of(pattern()));
    (
        (1..4, rate(), 0..3),
        patterns,
        user_tags(),
        option::of(boost()),
        user_tags(),
        adoption_policy(),
        option::of(deletion_policy()),
    )
        .prop_map(
            |(
                numbers,
                patterns,
                attributes,
                rate_boost,
                tags,
                adoption_policy,
                deletion_policy,
            )| {
                let (priority, fixed_rate, reservoir_size) = numbers;
                let [
                    service_name,
                    service_type,
                    host,
                    http_method,
                    url_path,
                    resource_arn,
                ] = patterns;
                SamplingRule {
                    name: String::new(),
                    priority: Some(priority),
                    fixed_rate: Some(fixed_rate),
                    reservoir_size: Some(reservoir_size),
                    service_name,
                    service_type,
                    host,
                    http_method,
                    url_path,
                    resource_arn,
                    attributes,
                    rate_boost,
                    tags,
                    adoption_policy,
                    deletion_policy,
                }
            },
        )
}

fn class() -> impl Strategy<Value = LogGroupClass> {
    select(vec![
        LogGroupClass::Standard,
        LogGroupClass::InfrequentAccess,
    ])
}

fn retention() -> impl Strategy<Value = i32> {
    select(vec![1, 7, 30])
}

fn key() -> impl Strategy<Value = String> {
    select(vec!["1", "2"]).prop_map(|id| format!("arn:aws:kms:{REGION}:{ACCOUNT}:key/{id}"))
}

fn log_group() -> impl Strategy<Value = LogGroup> {
    (
        option::of(retention()),
        option::of(class()),
        option::of(key()),
        option::of(any::<bool>()),
        user_tags(),
        adoption_policy(),
        option::of(deletion_policy()),
    )
        .prop_map(
            |(
                retention_in_days,
                class,
                kms_key_arn,
                deletion_protection,
                tags,
                adoption_policy,
                deletion_policy,
            )| LogGroup {
                name: String::new(),
                retention_in_days,
                class,
                kms_key_arn,
                deletion_protection,
                tags,
                adoption_policy,
                // Protection and the policy Delete contradict each other.
                deletion_policy: deletion_policy.filter(|policy| {
                    *policy == DeletionPolicy::Retain || deletion_protection != Some(true)
                }),
            },
        )
}

fn rights() -> impl Strategy<Value = Rights> {
    let patterns = || select(vec!["*", "a*,/a*", "Default", "b"]);
    (option::of(patterns()), option::of(patterns())).prop_map(|(names, adopt)| {
        let names = names.map(|names| (annotation::ALLOWED_NAMES.to_owned(), names.to_owned()));
        let adopt = adopt.map(|adopt| (annotation::ALLOW_ADOPT.to_owned(), adopt.to_owned()));
        Rights::read(&names.into_iter().chain(adopt).collect())
    })
}

/// The mark of a profile, as the tags of an object.
pub fn mark(cluster: &str, profile: ProfileRef, deletion_policy: DeletionPolicy) -> TagMap {
    OwnerTags {
        cluster: cluster.to_owned(),
        profile,
        deletion_policy,
    }
    .to_tags()
}

fn tags() -> impl Strategy<Value = Tags> {
    let whose = prop_oneof![
        4 => Just(Some((CLUSTER, me()))),
        2 => Just(None),
        1 => Just(Some((CLUSTER, rival()))),
        1 => Just(Some((CLUSTER, gone()))),
        1 => Just(Some((OTHER_CLUSTER, me()))),
    ];
    // A mark that is not whole is nobody's.
    let broken = prop::bool::weighted(0.05);
    (whose, deletion_policy(), user_tags(), broken).prop_map(|(whose, policy, mut tags, broken)| {
        if let Some((cluster, profile)) = whose {
            tags.extend(mark(cluster, profile, policy));
        }
        if broken {
            tags.remove(tag::CLUSTER);
        }
        Tags::Read(tags)
    })
}

fn group_state() -> impl Strategy<Value = GroupState> {
    (expression(), any::<bool>(), any::<bool>()).prop_map(
        |(filter_expression, insights_enabled, notifications)| GroupState {
            filter_expression,
            insights_enabled,
            notifications_enabled: insights_enabled && notifications,
        },
    )
}

fn rule_state() -> impl Strategy<Value = CustomRule> {
    (
        (1..4, rate(), 0..3),
        proptest::array::uniform6(pattern()),
        user_tags(),
        option::of(boost()),
    )
        .prop_map(|(numbers, patterns, attributes, rate_boost)| {
            let (priority, fixed_rate, reservoir_size) = numbers;
            let [
                service_name,
                service_type,
                host,
                http_method,
                url_path,
                resource_arn,
            ] = patterns;
            CustomRule {
                priority,
                fixed_rate,
                reservoir_size,
                service_name,
                service_type,
                host,
                http_method,
                url_path,
                resource_arn,
                attributes,
                rate_boost,
            }
        })
}

fn log_group_state() -> impl Strategy<Value = LogGroupState> {
    (
        option::of(retention()),
        option::weighted(0.2, Just("keep-long".to_owned())),
        option::weighted(0.9, class()),
        option::of(key()),
        any::<bool>(),
    )
        .prop_map(
            |(
                retention_in_days,
                retention_policy_name,
                class,
                kms_key_arn,
                deletion_protection,
            )| {
                LogGroupState {
                    retention_in_days,
                    retention_policy_name,
                    class,
                    kms_key_arn,
                    deletion_protection,
                }
            },
        )
}

fn objects<S: std::fmt::Debug>(
    names: &'static [&'static str],
    kind: Kind,
    state: impl Strategy<Value = S>,
) -> impl Strategy<Value = BTreeMap<String, Seen<S>>> {
    some_of(names, (state, tags())).prop_map(move |objects| {
        objects
            .into_iter()
            .map(|(name, (state, tags))| {
                let arn = arn(kind, name);
                (name.to_owned(), Seen { arn, state, tags })
            })
            .collect()
    })
}

/// The ARN that an object of the tests has.
pub fn arn(kind: Kind, name: &str) -> String {
    format!("arn:aws:test:{REGION}:{ACCOUNT}:{}/{name}", kind.as_str())
}

fn observed() -> impl Strategy<Value = Observed> {
    (
        objects(&GROUPS, Kind::Group, group_state()),
        objects(&RULES[..3], Kind::SamplingRule, rule_state()),
        (rate(), 0..3, tags()),
        objects(&LOG_GROUPS, Kind::LogGroup, log_group_state()),
    )
        .prop_map(|(groups, mut rules, default, log_groups)| {
            let (fixed_rate, reservoir_size, tags) = default;
            let any = || "*".to_owned();
            let state = CustomRule {
                priority: 10_000,
                fixed_rate,
                reservoir_size,
                service_name: any(),
                service_type: any(),
                host: any(),
                http_method: any(),
                url_path: any(),
                resource_arn: any(),
                ..CustomRule::default()
            };
            let arn = arn(Kind::SamplingRule, DEFAULT_RULE);
            rules.insert(DEFAULT_RULE.to_owned(), Seen { arn, state, tags });
            Observed {
                account_id: ACCOUNT.to_owned(),
                groups,
                rules,
                log_groups,
            }
        })
}

fn claims() -> impl Strategy<Value = Claims> {
    let all: Vec<(Kind, String)> = [
        (Kind::Group, GROUPS),
        (Kind::SamplingRule, RULES),
        (Kind::LogGroup, LOG_GROUPS),
    ]
    .into_iter()
    .flat_map(|(kind, names)| names.map(|name| (kind, name.to_owned())))
    .collect();
    // What the rival claims and is older for.
    let elder = btree_set(select(all), 0..4);
    (elder, 0..6_usize, 0..6_usize).prop_map(|(elder, groups, rules)| Claims {
        cluster: CLUSTER.to_owned(),
        living: BTreeSet::from([me(), rival()]),
        unreadable: BTreeSet::new(),
        oldest: elder.into_iter().map(|claim| (claim, rival())).collect(),
        quotas: Quotas { groups, rules },
    })
}
