//! Measures `sampling-decision`: how long central sampling takes for one request under 25 rules of which only the last
//! matches, with wildcards in all fields. That it allocates nothing is a test of `crates/xray`.

use std::hint::black_box;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use criterion::Criterion;
use serde_json::Value;
use support::measurement::Measurement;
use tracewright_xray::rule::{Request, SamplingRule};
use tracewright_xray::sampling::Rules;

const RULES: i32 = 25;

const REQUEST: Request<'static> = Request {
    host: Some("api.shop-25.example.com"),
    method: Some("GET"),
    path: Some("/api/activities/25/home"),
    service: Some("backend-25-flask"),
    service_type: Some("AWS::EKS::Container"),
    attributes: &[],
    resource_arn: None,
};

/// Every rule has its own patterns, and each field of the last one matches; of the others as many as `also` says.
fn rules(also: impl Fn(&mut SamplingRule, i32)) -> Rules {
    let rules = (1..=RULES).map(|number| {
        let mut rule = SamplingRule {
            rule_name: format!("rule-{number}"),
            priority: number,
            fixed_rate: 0.1,
            reservoir_size: 5,
            host: format!("*.shop-{number:02}.example.*"),
            http_method: "?E*".into(),
            url_path: format!("/api/*/{number:02}/*"),
            service_name: format!("*-{number:02}-fl?sk"),
            service_type: "AWS::*::Container".into(),
            ..SamplingRule::factory_default()
        };
        also(&mut rule, number);
        rule
    });
    Rules::load(&Rules::default(), rules, 1_000)
}

fn main() -> Result<ExitCode> {
    let folder = tempfile::tempdir()?;
    let mut criterion = Criterion::default()
        .output_directory(folder.path())
        .sample_size(50);
    let cases = [
        ("own-patterns", rules(|_, _| {})),
        // Everything but the path matches: no rule is ruled out by a field before it.
        (
            "only-the-path-differs",
            rules(|rule, _| {
                rule.host = "*.shop-??.example.*".into();
                rule.service_name = "*-??-fl?sk".into();
            }),
        ),
    ];
    let mut slowest: f64 = 0.0;
    for (name, rules) in &cases {
        let decide = |now| rules.decide(black_box(&REQUEST), now, || black_box(0.5));
        let decision = decide(1_000).context("no rule matches")?;
        anyhow::ensure!(**decision.rule == *"rule-25", "{} matches", decision.rule);
        criterion.bench_function(name, |bench| bench.iter(|| decide(black_box(1_001))));
        slowest = slowest.max(mean(&folder.path().join(name))?);
    }
    Ok(Measurement::at_most("sampling-decision", slowest, "ns", 150.0).conclude())
}

/// Criterion's estimate of the mean, in nanoseconds.
fn mean(folder: &Path) -> Result<f64> {
    let text = std::fs::read_to_string(folder.join("new/estimates.json"))?;
    let estimates: Value = serde_json::from_str(&text)?;
    estimates["mean"]["point_estimate"]
        .as_f64()
        .context("criterion's estimates have another form")
}
