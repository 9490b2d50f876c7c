//! What is done for every request allocates nothing.

use tracewright_xray::rule::{Request, SamplingRule};
use tracewright_xray::sampling::{Fallback, Rules};

#[test]
fn deciding_allocates_nothing() {
    let rules = (1..=25).map(|number| SamplingRule {
        rule_name: format!("rule-{number}"),
        priority: number,
        reservoir_size: 1,
        host: format!("*.shop-{number:02}.*"),
        url_path: format!("/api/*/{number:02}/*"),
        ..SamplingRule::factory_default()
    });
    let rules = Rules::load(&Rules::default(), rules, 1_000);
    let request = Request {
        host: Some("api.shop-25.example.com"),
        method: Some("GET"),
        path: Some("/api/activities/25/home"),
        service: Some("backend-flask"),
        service_type: Some("AWS::EKS::Container"),
        ..Request::default()
    };
    let fallback = Fallback::default();
    let mut sampled = 0;
    let allocated = allocation_counter::measure(|| {
        for now in 1_000..1_100 {
            let decision = rules.decide(&request, now, || 0.99);
            sampled += u32::from(decision.is_some_and(|decision| decision.sampled));
            sampled += u32::from(fallback.decide(now, || 0.99));
        }
    });
    assert_eq!(sampled, 200, "one a second from each");
    assert_eq!(allocated.count_total, 0);
}
