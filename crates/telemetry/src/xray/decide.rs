//! Whether X-Ray gets a request, and under which name.

use crate::ids::epoch_seconds;
use crate::random::random;
use crate::settings::XRay;
use arc_swap::ArcSwap;
use std::sync::Arc;
use tracewright_xray::header::Sampled;
use tracewright_xray::rule::{Client, Request, wildcard};
use tracewright_xray::sampling::{Fallback, Rules};

/// The decision on one request, made once and kept in its context.
#[derive(Debug, Clone)]
pub(crate) struct Decision {
    pub(crate) sampled: bool,
    /// The central rule that sampled it.
    pub(crate) rule: Option<Arc<str>>,
    /// The segment's name.
    pub(crate) name: Arc<str>,
}

/// What the rules look at.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct RequestFacts<'a> {
    pub(crate) host: Option<&'a str>,
    pub(crate) method: Option<&'a str>,
    pub(crate) path: Option<&'a str>,
}

/// Makes the decisions.
#[derive(Debug)]
pub(crate) struct Decider {
    /// Replaced as a whole by the poller.
    pub(crate) rules: ArcSwap<Rules>,
    fallback: Fallback,
    name: Arc<str>,
    dynamic_naming: Option<String>,
    /// The segments' origin, which rules know as the service's type.
    service_type: Option<String>,
}

impl Decider {
    /// For a process that sends segments as `xray` says; `name` is the service's.
    pub(crate) fn new(xray: Option<&XRay>, name: &str, service_type: Option<String>) -> Self {
        Self {
            rules: ArcSwap::default(),
            fallback: Fallback::default(),
            name: xray.map_or(name, |xray| &xray.name).into(),
            dynamic_naming: xray.and_then(|xray| xray.dynamic_naming.clone()),
            service_type,
        }
    }

    /// Decides: the caller's `0` or `1` is obeyed, else the central rules decide, or the fallback while there are none.
    pub(crate) fn decide(&self, caller: Option<Sampled>, facts: RequestFacts<'_>) -> Decision {
        let host = facts.host.filter(|host| {
            self.dynamic_naming
                .as_ref()
                .is_some_and(|pattern| wildcard::matches(pattern, host, Client::XRaySdk))
        });
        let name = host.map_or_else(|| Arc::clone(&self.name), Arc::from);
        let (sampled, rule) = match caller {
            Some(Sampled::Yes) => (true, None),
            Some(Sampled::No) => (false, None),
            Some(Sampled::Ask) | None => self.ask_the_rules(&name, facts),
        };
        Decision {
            sampled,
            rule,
            name,
        }
    }

    fn ask_the_rules(&self, name: &str, facts: RequestFacts<'_>) -> (bool, Option<Arc<str>>) {
        let request = Request {
            host: facts.host,
            method: facts.method,
            path: facts.path,
            service: Some(name),
            service_type: self.service_type.as_deref(),
            ..Request::default()
        };
        let now = epoch_seconds();
        let rules = self.rules.load();
        match rules.decide(&request, now, random) {
            Some(decision) => (
                decision.sampled,
                decision.sampled.then(|| Arc::clone(decision.rule)),
            ),
            None => (self.fallback.decide(now, random), None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Defaults, Settings};
    use tracewright_xray::rule::SamplingRule;

    fn decider(variables: &[(&str, &str)]) -> Decider {
        let variables = variables
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string()));
        let (settings, problems) = Settings::read(
            variables,
            Defaults {
                service_name: Some("backend"),
                log_filter: "info",
            },
        );
        assert_eq!(problems, []);
        Decider::new(
            settings.xray.as_ref(),
            &settings.resource.service_name,
            None,
        )
    }

    fn load(decider: &Decider, service_name: &str, fixed_rate: f64) {
        let rule = SamplingRule {
            rule_name: "Cruddur".into(),
            priority: 9_000,
            fixed_rate,
            reservoir_size: 0,
            service_name: service_name.into(),
            ..SamplingRule::factory_default()
        };
        decider.rules.store(Arc::new(Rules::load(
            &Rules::default(),
            [rule],
            epoch_seconds(),
        )));
    }

    #[test]
    fn the_caller_s_decision_is_obeyed_and_a_question_is_not_one() {
        let decider = decider(&[("AWS_XRAY_DAEMON_ADDRESS", "h:1")]);
        load(&decider, "backend", 0.0);
        let sampled = |caller| decider.decide(caller, RequestFacts::default()).sampled;
        assert!(sampled(Some(Sampled::Yes)));
        assert!(!sampled(Some(Sampled::No)) && !sampled(Some(Sampled::Ask)) && !sampled(None));
        load(&decider, "backend", 1.0);
        let decision = decider.decide(Some(Sampled::Ask), RequestFacts::default());
        assert_eq!(decision.rule.as_deref(), Some("Cruddur"));
        assert!(
            decider
                .decide(Some(Sampled::Yes), RequestFacts::default())
                .rule
                .is_none()
        );
    }

    #[test]
    fn without_rules_the_fallback_decides_and_names_no_rule() {
        let decider = decider(&[("AWS_XRAY_DAEMON_ADDRESS", "h:1")]);
        let decision = decider.decide(None, RequestFacts::default());
        assert!(
            decision.sampled && decision.rule.is_none(),
            "the first of a second"
        );
    }

    #[test]
    fn dynamic_naming_renames_the_segment_and_with_it_the_service_that_rules_see() {
        let decider = decider(&[
            ("AWS_XRAY_DAEMON_ADDRESS", "h:1"),
            ("AWS_XRAY_URL", "*4567-demo.example.test*"),
        ]);
        load(&decider, "backend", 1.0);
        let facts = |host| RequestFacts {
            host: Some(host),
            ..RequestFacts::default()
        };
        let named = decider.decide(None, facts("4567-demo.example.test"));
        assert_eq!(
            (&*named.name, named.rule),
            ("4567-demo.example.test", None),
            "no rule applies to that name"
        );
        let own = decider.decide(None, facts("localhost:4567"));
        assert_eq!(
            (&*own.name, own.rule.as_deref()),
            ("backend", Some("Cruddur"))
        );
    }
}
