//! Other clients' answers about patterns and rules, recorded by `sdks/generate.py` from the clients themselves.

use std::collections::BTreeMap;

use serde::Deserialize;
use tracewright_xray::rule::{Client, Request, RuleSet, SamplingRule, wildcard};
use tracewright_xray::sampling::Rules;

#[derive(Deserialize)]
struct Cases {
    wildcards: Vec<(String, String)>,
    rules: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    rules: Vec<SamplingRule>,
    requests: Vec<Asked>,
}

#[derive(Deserialize)]
struct Asked {
    service: String,
    service_type: String,
    host: Option<String>,
    method: Option<String>,
    path: String,
    arn: String,
    attributes: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Answers {
    /// A digit for each case, 1 for a match.
    wildcards: String,
    /// The name of the rule that decides, for each request of each case.
    rules: Vec<Vec<String>>,
}

fn recorded() -> (Cases, Vec<(String, Client, Answers)>) {
    let cases = serde_json::from_str(include_str!("sdks/cases.json")).expect("generated");
    let answers: BTreeMap<String, Answers> =
        serde_json::from_str(include_str!("sdks/answers.json")).expect("generated");
    let answers = answers.into_iter().map(|(name, answers)| {
        let client = match name.starts_with("X-Ray SDK") {
            true => Client::XRaySdk,
            false => Client::OpenTelemetry,
        };
        (name, client, answers)
    });
    (cases, answers.collect())
}

#[test]
fn patterns_match_as_they_do_in_the_clients() {
    let (cases, clients) = recorded();
    assert_eq!(clients.len(), 3);
    for (name, client, answers) in clients {
        assert_eq!(answers.wildcards.len(), cases.wildcards.len());
        for ((pattern, text), answer) in cases.wildcards.iter().zip(answers.wildcards.chars()) {
            assert_eq!(
                wildcard::matches(pattern, text, client),
                answer == '1',
                "{name}: {pattern:?} on {text:?}"
            );
        }
    }
}

#[test]
fn requests_meet_the_rules_that_they_meet_in_the_clients() {
    let (cases, clients) = recorded();
    for (name, client, answers) in clients {
        for (case, answers) in cases.rules.iter().zip(&answers.rules) {
            let rules = RuleSet::new(case.rules.clone());
            let compiled = Rules::load(&Rules::default(), case.rules.clone(), 0);
            for (asked, answer) in case.requests.iter().zip(answers) {
                let attributes: Vec<(&str, &str)> = asked
                    .attributes
                    .iter()
                    .map(|(key, value)| (key.as_str(), value.as_str()))
                    .collect();
                let request = Request {
                    service: Some(&asked.service),
                    service_type: Some(&asked.service_type),
                    host: asked.host.as_deref(),
                    method: asked.method.as_deref(),
                    path: Some(&asked.path),
                    resource_arn: Some(&asked.arn),
                    attributes: &attributes,
                };
                let found = rules
                    .first_match(&request, client)
                    .map(|rule| rule.rule_name.as_str());
                assert_eq!(found, Some(answer.as_str()), "{name}: {request:?}");
                if client == Client::XRaySdk {
                    let decided = compiled.decide(&request, 0, || 1.0);
                    let found = decided.map(|decision| decision.rule.to_string());
                    assert_eq!(
                        found.as_deref(),
                        Some(answer.as_str()),
                        "{name}: {request:?}"
                    );
                }
            }
        }
    }
}
