//! What expressions say of one trace: the journal's service, called through a front end, with a failed call to a table.

use tracewright_xray::filter::{
    self, AnnotationValue, BooleanKeyword, NumberKeyword, RootCauseElement, RootCauseKind, Scope,
    ServiceId, StringKeyword, TraceView,
};

struct Facts {
    booleans: &'static [BooleanKeyword],
    numbers: &'static [(NumberKeyword, f64)],
    strings: &'static [(StringKeyword, &'static str)],
}

impl Scope for Facts {
    fn boolean(&self, keyword: BooleanKeyword) -> bool {
        self.booleans.contains(&keyword)
    }

    fn number(&self, keyword: NumberKeyword) -> Option<f64> {
        self.numbers
            .iter()
            .find(|(known, _)| *known == keyword)
            .map(|(_, value)| *value)
    }

    fn strings(&self, keyword: StringKeyword) -> Vec<&str> {
        let values = self.strings.iter().filter(|(known, _)| *known == keyword);
        values.map(|(_, value)| *value).collect()
    }
}

const TRACE: Facts = Facts {
    booleans: &[BooleanKeyword::Ok],
    numbers: &[
        (NumberKeyword::Duration, 2.5),
        (NumberKeyword::HttpStatus, 200.0),
    ],
    strings: &[
        (
            StringKeyword::HttpUrl,
            "http://example.com/api/activities/home",
        ),
        (StringKeyword::User, "andrew"),
        (StringKeyword::User, "bayko"),
    ],
};
const BACKEND: Facts = Facts {
    booleans: &[BooleanKeyword::Ok, BooleanKeyword::Root],
    numbers: &[(NumberKeyword::ResponseTime, 2.4)],
    strings: &[(StringKeyword::Name, "backend-flask")],
};
const TABLE: Facts = Facts {
    booleans: &[BooleanKeyword::Fault, BooleanKeyword::Last],
    numbers: &[(NumberKeyword::HttpStatus, 500.0)],
    strings: &[
        (StringKeyword::Name, "messages"),
        (StringKeyword::Type, "AWS::DynamoDB::Table"),
    ],
};

struct Trace;

impl Scope for Trace {
    fn boolean(&self, keyword: BooleanKeyword) -> bool {
        TRACE.boolean(keyword)
    }

    fn number(&self, keyword: NumberKeyword) -> Option<f64> {
        TRACE.number(keyword)
    }

    fn strings(&self, keyword: StringKeyword) -> Vec<&str> {
        TRACE.strings(keyword)
    }
}

const BACKEND_ID: ServiceId<'_> = ServiceId {
    name: "backend-flask",
    kind: "AWS::EKS::Container",
    account: "123456789012",
};
const TABLE_ID: ServiceId<'_> = ServiceId {
    name: "messages",
    kind: "AWS::DynamoDB::Table",
    account: "",
};

impl TraceView for Trace {
    fn annotations(&self, key: &str) -> Vec<AnnotationValue<'_>> {
        match key {
            "age" => vec![AnnotationValue::Number(30.0)],
            "game" => vec![
                AnnotationValue::String("817DL6VO"),
                AnnotationValue::String("X"),
            ],
            "cached" => vec![AnnotationValue::Boolean(false)],
            "http.route" => vec![AnnotationValue::String("/api")],
            _ => Vec::new(),
        }
    }

    fn services(&self) -> Vec<(ServiceId<'_>, &dyn Scope)> {
        vec![(BACKEND_ID, &BACKEND), (TABLE_ID, &TABLE)]
    }

    fn edges(&self) -> Vec<(ServiceId<'_>, ServiceId<'_>, &dyn Scope)> {
        vec![(BACKEND_ID, TABLE_ID, &TABLE)]
    }

    fn root_causes(&self, kind: RootCauseKind, element: RootCauseElement) -> Vec<&dyn Scope> {
        match (kind, element) {
            (RootCauseKind::Fault, RootCauseElement::Service) => vec![&BACKEND, &TABLE],
            _ => Vec::new(),
        }
    }
}

#[test]
fn keywords_say_what_the_documentation_says() {
    for (expression, matches) in [
        ("ok", true),
        ("!ok", false),
        ("ok = false", false),
        ("ok != false", true),
        // "Simple keywords … find issues only at the trace level."
        ("fault", false),
        ("service() { fault }", true),
        (r#"service("messages") { fault }"#, true),
        (r#"service("backend-flask") { fault }"#, false),
        (
            r#"service("backend-flask") { root AND responsetime > 2 }"#,
            true,
        ),
        (r#"service("Backend-Flask")"#, false),
        (r#"service("frontend")"#, false),
        (r#"!service("frontend")"#, true),
        (r#"service(id(type: "AWS::DynamoDB::Table"))"#, true),
        (r#"service(id(name: "messages", type: "AWS::SNS"))"#, false),
        (
            r#"service(id(name: "backend-flask", account.id: "123456789012"))"#,
            true,
        ),
        (r#"service() { name = "messages" }"#, true),
        (r#"edge("backend-flask", "messages") { fault }"#, true),
        (r#"edge("backend-flask", "messages") { ok }"#, false),
        (r#"edge("messages", "backend-flask")"#, false),
        ("duration >= 2.5 AND duration <= 2.5", true),
        ("duration != 2.5", false),
        ("duration < 2.5 OR duration > 2.5", false),
        ("responsetime > 0", false),
        ("responsetime != 0", false),
        ("http.status = 200", true),
        ("http.url", true),
        ("http.method", false),
        (r#"http.url CONTAINS "/api/""#, true),
        (
            r#"http.url BEGINSWITH "http://" AND http.url ENDSWITH "/home""#,
            true,
        ),
        (r#"http.url ENDSWITH "http://""#, false),
        (r#"user = "bayko""#, true),
        (r#"user != "bayko""#, false),
        (r#"user != "nobody""#, true),
        (r#"user CONTAINS """#, true),
        (r#"http.method CONTAINS """#, false),
        ("annotation.age", true),
        ("annotation.age > 29", true),
        (r#"annotation.age = "30""#, false),
        ("annotation.name", false),
        ("!annotation.name", true),
        ("annotation.cached", false),
        ("!annotation.cached", true),
        ("annotation.cached = false", true),
        ("annotation.cached != false", false),
        ("annotation.name != true", false),
        ("annotation.name != 1", false),
        (r#"annotation.name != "x""#, false),
        (r#"annotation.age != "x""#, false),
        (r#"http.method != "GET""#, false),
        (r#"annotation.game = "817DL6VO""#, true),
        (r#"annotation.game != "817DL6VO""#, false),
        (r#"annotation[http.route] = "/api""#, true),
        (
            r#"rootcause.fault.service { last and name = "messages" }"#,
            true,
        ),
        (
            r#"rootcause.fault.service { last and name = "backend-flask" }"#,
            false,
        ),
        ("rootcause.error.service { last }", false),
        (r#"group.name = "any""#, false),
        (r#"group.name != "any""#, true),
        ("rootcause.json = #[]", false),
        ("zz", false),
        ("!zz", true),
        ("fault OR ok AND duration > 2", true),
        ("(fault OR ok) duration > 9", false),
    ] {
        let parsed =
            filter::parse(expression).unwrap_or_else(|error| panic!("{expression}: {error}"));
        assert_eq!(
            filter::matches(&parsed.expression, &Trace),
            matches,
            "{expression}"
        );
    }
}
