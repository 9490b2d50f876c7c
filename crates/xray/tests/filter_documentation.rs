//! Filter expressions as AWS's documentation and tools write them, and broken ones with the sentences they get.

use tracewright_xray::filter::{self, MAX_DEPTH, MAX_LENGTH, MAX_WARNINGS, parse};

/// From the developer guide's pages "Using filter expressions" (editions of 2017 to 2023) and "Getting data from AWS
/// X-Ray", with the canonical form; then from AWS's own samples and tests, and from groups found in public Terraform code.
const ACCEPTED: &[(&str, &str)] = &[
    ("responsetime > 5", "responsetime > 5"),
    (
        "duration >= 5 AND duration <= 8",
        "duration >= 5 AND duration <= 8",
    ),
    ("ok", "ok"),
    ("!ok", "!ok"),
    ("ok = false", "ok = false"),
    (
        r#"rootcause.fault.entity { last and name = "deserialize" }"#,
        r#"rootcause.fault.entity { last AND name = "deserialize" }"#,
    ),
    (
        r#"rootcause.responsetime.entity { remote and coverage > 0.7 and name = "traces" }"#,
        r#"rootcause.responsetime.entity { remote AND coverage > 0.7 AND name = "traces" }"#,
    ),
    (
        r#"service("data-plane") {root = true and fault = true}"#,
        r#"service("data-plane") { root = true AND fault = true }"#,
    ),
    ("http.status != 200", "http.status != 200"),
    (
        "ok !partial duration <3",
        "ok AND !partial AND duration < 3",
    ),
    (
        "rootcause.fault.service { index > 5 }",
        "rootcause.fault.service { index > 5 }",
    ),
    (
        "rootcause.responsetime.entity { last and coverage > 0.8 }",
        "rootcause.responsetime.entity { last AND coverage > 0.8 }",
    ),
    (
        r#"http.url CONTAINS "/api/game/""#,
        r#"http.url CONTAINS "/api/game/""#,
    ),
    (r#"user CONTAINS """#, r#"user CONTAINS """#),
    (
        r#"rootcause.fault.service { name = "Auth" }"#,
        r#"rootcause.fault.service { name = "Auth" }"#,
    ),
    (
        r#"rootcause.responsetime.service { last and type = "AWS::DynamoDB" }"#,
        r#"rootcause.responsetime.service { last AND type = "AWS::DynamoDB" }"#,
    ),
    (
        r#"service("api.example.com") { fault }"#,
        r#"service("api.example.com") { fault }"#,
    ),
    ("service() { fault }", "service() { fault }"),
    (
        r#"edge("api.example.com", "backend.example.com") { error }"#,
        r#"edge("api.example.com", "backend.example.com") { error }"#,
    ),
    (
        r#"http.url BEGINSWITH "http://api.example.com/" AND http.url CONTAINS "/v2/" AND !service("api.example.com")"#,
        r#"http.url BEGINSWITH "http://api.example.com/" AND http.url CONTAINS "/v2/" AND !service("api.example.com")"#,
    ),
    (
        "http.url AND responseTime > 2",
        "http.url AND responsetime > 2",
    ),
    (
        r#"annotation.gameid = "817DL6VO""#,
        r#"annotation.gameid = "817DL6VO""#,
    ),
    ("annotation.age", "annotation.age"),
    ("!annotation.age", "!annotation.age"),
    ("annotation.age > 29", "annotation.age > 29"),
    (
        r#"group.name = "high_response_time" AND user = "alice""#,
        r#"group.name = "high_response_time" AND user = "alice""#,
    ),
    (
        r#"rootcause.json = #[{ "Services": [ { "Name": "GetWeatherData", "EntityPath": [{ "Name": "GetWeatherData" }, { "Name": "get_temperature" } ] }, { "Name": "GetTemperature", "EntityPath": [ { "Name": "GetTemperature" } ] } ] }]"#,
        r#"rootcause.json = #[{ "Services": [ { "Name": "GetWeatherData", "EntityPath": [{ "Name": "GetWeatherData" }, { "Name": "get_temperature" } ] }, { "Name": "GetTemperature", "EntityPath": [ { "Name": "GetTemperature" } ] } ] }]"#,
    ),
    (
        r#"service(id(name: "service-name", type:"service::type")) { fault }"#,
        r#"service(id(name: "service-name", type: "service::type")) { fault }"#,
    ),
    (
        r#"edge(id(name: "service-one", type:"service::type"), id(name: "service-two", type:"service::type")) { error }"#,
        r#"edge(id(name: "service-one", type: "service::type"), id(name: "service-two", type: "service::type")) { error }"#,
    ),
    (
        r#"service("random-name") { error }"#,
        r#"service("random-name") { error }"#,
    ),
    (
        r#"service(id(name: "random-name", type: "AWS::Lambda::Function")) { error }"#,
        r#"service(id(name: "random-name", type: "AWS::Lambda::Function")) { error }"#,
    ),
    (
        r#"service(id(type: "AWS::Lambda::Function")) { error }"#,
        r#"service(id(type: "AWS::Lambda::Function")) { error }"#,
    ),
    (
        r#"service("api.example.com") { fault = true OR responsetime > 2.5 } AND annotation.account = "12345""#,
        r#"service("api.example.com") { fault = true OR responsetime > 2.5 } AND annotation.account = "12345""#,
    ),
    (
        r#"edge("api.example.com", "backend.example.com") { fault = true }"#,
        r#"edge("api.example.com", "backend.example.com") { fault = true }"#,
    ),
    (
        r#"(service(id(name: "frontend"  ))) AND (Annotation[aws.local.environment] = "k8s:default")"#,
        r#"service(id(name: "frontend")) AND annotation[aws.local.environment] = "k8s:default""#,
    ),
    (
        r#"service("api"){fault = true} AND annotation[aws.local.operation]="POST /visits""#,
        r#"service("api") { fault = true } AND annotation[aws.local.operation] = "POST /visits""#,
    ),
    (
        r#"service("ingest") OR service("process") OR service("publish")"#,
        r#"service("ingest") OR service("process") OR service("publish")"#,
    ),
    (
        r#"service(id(name: "a", account.id: "123456789012"))"#,
        r#"service(id(name: "a", account.id: "123456789012"))"#,
    ),
];

#[test]
fn documented_expressions_are_accepted_without_a_warning() {
    for (expression, canonical) in ACCEPTED {
        let parsed = parse(expression).unwrap_or_else(|error| panic!("{error}\n{}", error.caret()));
        assert_eq!(parsed.expression.to_string(), *canonical);
        assert_eq!(parsed.warnings, [], "{expression}");
    }
}

#[test]
fn two_misprints_in_the_documentation_are_refused_where_they_are() {
    let unquoted =
        r#"rootcause.fault.service { inferred and name = traces and type = "AWS::DynamoDB" }"#;
    let error = parse(unquoted).expect_err("strings are always in quotation marks");
    assert_eq!(&unquoted[error.offset()..][..6], "traces");

    let unclosed = r#"rootcause.fault.exception { last and message = "Access Denied for account_id: 1234567890" "#;
    let error = parse(unclosed).expect_err("the brace is not closed");
    assert_eq!(error.offset(), unclosed.len());
}

#[test]
fn broken_structure_gets_a_place_and_a_sentence() {
    const REFUSED: &[(&str, usize, &str)] = &[
        (
            "",
            1,
            "expected a condition, found the end of the expression",
        ),
        (
            "  ",
            3,
            "expected a condition, found the end of the expression",
        ),
        (
            "(ok",
            4,
            "expected `)` to close the parenthesis, found the end",
        ),
        ("ok)", 3, "this `)` closes nothing"),
        ("ok }", 4, "this `}` closes nothing"),
        ("()", 2, "expected a condition, found `)`"),
        ("ok AND", 7, "expected a condition, found the end"),
        ("AND ok", 1, "AND and OR stand between two conditions"),
        (
            "ok OR OR fault",
            7,
            "AND and OR stand between two conditions",
        ),
        ("!!ok", 2, "a second `!` undoes the first"),
        ("ok && fault", 4, "write AND"),
        ("ok || fault", 4, "write OR"),
        ("ok == true", 4, "write a single `=`"),
        ("ok > 1", 4, "expected = or != after `ok`, found `>`"),
        (
            "ok = 1",
            6,
            "expected true or false after `ok =`, found the number 1",
        ),
        (r#"ok = "true""#, 6, "write it without quotation marks"),
        ("true", 1, "such as `ok = false`"),
        (
            "responsetime",
            13,
            "expected one of =, !=, <, <=, > or >= after `responsetime`",
        ),
        ("responsetime >", 15, "write `responsetime > 1`"),
        (
            "responsetime > 5s",
            17,
            "write 5, or put text in double quotation marks",
        ),
        ("responsetime > .5", 16, "write 0 before the point"),
        ("responsetime > 5.", 17, "expected a digit behind the point"),
        (
            r#"http.status = "200""#,
            15,
            "write it without quotation marks",
        ),
        ("user = alice", 8, "put it in double quotation marks"),
        ("user = 'alice'", 8, "write straight double quotation marks"),
        ("user = “alice”", 8, "write straight double quotation marks"),
        (r#"user = "alice"#, 8, "the string is not closed"),
        (
            r#"user > "alice""#,
            6,
            "expected one of =, !=, CONTAINS, BEGINSWITH or ENDSWITH after `user`",
        ),
        (r#"user "alice""#, 6, "expected one of =, !=, CONTAINS"),
        (r#"CONTAINS "x""#, 1, "write one before the operator"),
        (
            r#"user = "ä" ?"#,
            12,
            "the character '?' has no meaning here",
        ),
        (
            r#""x""#,
            1,
            "a string stands behind a keyword and an operator",
        ),
        ("service", 8, r#"write `service("name")`"#),
        (
            "service(backend)",
            9,
            "put the name in double quotation marks",
        ),
        (
            r#"service("a", "b")"#,
            12,
            "expected `)` to close `service(`, found `,`",
        ),
        (r#"service("a") {}"#, 15, "the braces are empty"),
        (
            r#"service("a") { fault"#,
            21,
            "expected `}` to close the brace",
        ),
        (
            r#"edge("a")"#,
            9,
            "expected `,` between the source and the destination",
        ),
        (r#"edge(, "b")"#, 6, "expected a service, found `,`"),
        ("edge()", 6, "expected a service, found `)`"),
        (r#"service(id())"#, 12, "expected name, type or account.id"),
        (
            r#"service(id(name "a"))"#,
            17,
            "expected `:` between an argument of `id(` and its value",
        ),
        (
            r#"service(id(name: "a", name: "b"))"#,
            23,
            "`name` is given twice",
        ),
        (
            r#"service(id(region: "a"))"#,
            12,
            "expected name, type or account.id, found `region`",
        ),
        (
            r#"id(name: "a")"#,
            1,
            "id(…) stands in the parentheses of `service` or `edge`",
        ),
        (
            "annotation",
            1,
            "write `annotation.key` or `annotation[key]`",
        ),
        (
            "annotation.",
            1,
            "write `annotation.key` or `annotation[key]`",
        ),
        ("annotation[]", 12, "expected an annotation's key"),
        (
            "annotation[a b]",
            13,
            "expected `]` behind the annotation's key",
        ),
        (r#"annotation["a"]"#, 12, "has no quotation marks"),
        (
            "annotation.a-b = 1",
            13,
            "the character '-' has no meaning here",
        ),
        (
            r#"annotation.a > "x""#,
            16,
            "expected a number after `annotation >`",
        ),
        (
            "annotation.a = ",
            16,
            "expected a string, a number, true or false",
        ),
        ("group.name", 11, "expected = or != after `group.name`"),
        (
            "rootcause.fault.service",
            24,
            "expected `{` behind `rootcause.fault.service`",
        ),
        (
            "rootcause.json = []",
            18,
            "may stand only around an annotation's key",
        ),
        (
            "rootcause.json = #{}",
            19,
            "expected a JSON array behind `#`",
        ),
        (
            "rootcause.json = #[1,]",
            18,
            "the JSON behind `#` is broken",
        ),
        ("{ ok }", 1, "braces stand behind"),
        (
            "ok { fault }",
            4,
            "expected AND, OR or the end of the expression, found `{`",
        ),
    ];
    for (expression, column, sentence) in REFUSED {
        let error = parse(expression).expect_err(expression);
        assert!(
            error.message().contains(sentence),
            "{expression}\n is: {}\nnot: {sentence}",
            error.message()
        );
        assert_eq!(error.column(), *column, "{expression}: {error}");
        assert_eq!(
            error.to_string(),
            format!("column {column}: {}", error.message())
        );
        let (line, caret) = error.caret().split_once('\n').expect("two lines");
        assert_eq!(line, *expression);
        assert_eq!(caret.chars().count(), *column, "{expression}");
    }
}

#[test]
fn words_are_read_in_any_case_and_keys_and_strings_keep_theirs() {
    let parsed = parse(
        r#"SERVICE(ID(NAME: "A", Type: "B")) { Root } And ResponseTime > 1 oR ANNOTATION.Key contains "X""#,
    )
    .expect("well formed");
    assert_eq!(
        parsed.expression.to_string(),
        r#"service(id(name: "A", type: "B")) { root } AND responsetime > 1 OR annotation.Key CONTAINS "X""#
    );
    assert_eq!(parsed.warnings, []);
}

#[test]
fn and_binds_tighter_than_or_and_parentheses_are_kept_where_they_matter() {
    for (expression, canonical) in [
        ("ok OR error fault", "ok OR error AND fault"),
        ("(ok OR error) fault", "(ok OR error) AND fault"),
        ("((ok)) AND (error)", "ok AND error"),
        ("ok AND (error AND fault)", "ok AND (error AND fault)"),
        ("!(ok AND error)", "!(ok AND error)"),
        ("!(!ok)", "!(!ok)"),
        ("!(ok) !ok = true", "!ok AND !ok = true"),
        ("ok (error OR fault)", "ok AND (error OR fault)"),
        ("zz (error OR fault)", "zz AND (error OR fault)"),
        (
            r#"zz("a", id(name: "b")) > 1 {ok}"#,
            r#"zz("a", id(name: "b")) > 1 { ok }"#,
        ),
    ] {
        let parsed = parse(expression).expect("well formed");
        assert_eq!(parsed.expression.to_string(), canonical);
    }
}

#[test]
fn what_is_probably_not_meant_is_a_warning() {
    for (expression, warnings) in [
        (
            "response_time > 2 AND fault",
            vec![
                "column 1: `response_time` is not a keyword that AWS documents; did you mean `responsetime`?",
            ],
        ),
        (
            r#"ok AND servce("a") { fault }"#,
            vec![
                "column 8: `servce` is not a keyword that AWS documents; did you mean `service()`?",
            ],
        ),
        (
            r#"kubernetes.pod = "x" OR not ok"#,
            vec![
                "column 1: `kubernetes.pod` is not a keyword that AWS documents",
                "column 25: `not` is not a keyword that AWS documents; did you mean `!`?",
            ],
        ),
        (
            r#"coverage > 0.5 AND name = "x""#,
            vec![
                "column 1: `coverage` has a meaning only in the braces of a `rootcause` keyword",
                "column 20: `name` has a meaning only in the braces of `service`, `edge` or a `rootcause` keyword",
            ],
        ),
        (
            "root",
            vec!["column 1: `root` has a meaning only in the braces of `service` or `edge`"],
        ),
        (
            "ok\n AND annotation.http.route",
            vec![
                "line 2, column 6: an annotation key with dots is written in brackets; write `annotation[http.route]`",
            ],
        ),
        (
            r#"service("a") { annotation.b }"#,
            vec![
                "column 16: annotation `b` stands in the braces of `service` or `edge`, where X-Ray does not look at annotations; join it with AND outside of the braces",
            ],
        ),
        (
            "rootcause.fault.thing { ok }",
            vec!["column 1: `rootcause.fault.thing` is not a keyword that AWS documents"],
        ),
    ] {
        let parsed = parse(expression).unwrap_or_else(|error| panic!("{expression}: {error}"));
        let found: Vec<String> = parsed.warnings.iter().map(ToString::to_string).collect();
        assert_eq!(found, warnings, "{expression}");
        let again =
            parse(&parsed.expression.to_string()).expect("the canonical form is well formed");
        assert_eq!(again.expression, parsed.expression);
    }
}

#[test]
fn length_and_depth_are_bounded() {
    let deepest = |depth: usize| format!("{}ok{}", "(".repeat(depth), ")".repeat(depth));
    assert!(parse(&deepest(MAX_DEPTH)).is_ok());
    let error = parse(&deepest(MAX_DEPTH + 1)).expect_err("one too deep");
    assert!(error.message().contains("nested more than"), "{error}");

    let braces = |depth: usize| format!("{}ok{}", "service() {".repeat(depth), "}".repeat(depth));
    assert!(parse(&braces(MAX_DEPTH)).is_ok());
    assert!(parse(&braces(MAX_DEPTH + 1)).is_err());

    for opening in ["(", "!(", "service(){", "zz{", "#[", "rootcause.json = #["] {
        let endless = opening.repeat(MAX_LENGTH / opening.len());
        assert!(parse(&endless).is_err(), "{opening}");
    }
    let nested_json = format!(
        "rootcause.json = #{}{}",
        "[".repeat(8_000),
        "]".repeat(8_000)
    );
    assert!(parse(&nested_json).is_ok());

    assert!(parse(&format!("duration < {}", "9".repeat(300))).is_ok());
    let error = parse(&format!("duration < {}", "9".repeat(400))).expect_err("not finite");
    assert!(error.message().contains("too large"), "{error}");

    let wide = "ok ".repeat(MAX_LENGTH / 3);
    assert!(parse(&wide).is_ok());
    assert!(parse(&" ".repeat(MAX_LENGTH + 1)).is_err());

    let unknown = parse(&"zz ".repeat(MAX_LENGTH / 3)).expect("well formed");
    assert_eq!(unknown.warnings.len(), MAX_WARNINGS);
}

#[test]
fn the_services_that_an_expression_asks_for_are_found() {
    for (expression, names) in [
        (r#"service("a")"#, vec!["a"]),
        (r#"service(id(name: "a", type: "t"))"#, vec!["a"]),
        (r#"service(id(type: "t"))"#, vec![]),
        (r#"service() { name = "a" OR name = "b" }"#, vec!["a", "b"]),
        (r#"service() { name = "a" OR fault }"#, vec![]),
        (r#"service() { name != "a" }"#, vec![]),
        (r#"edge("a", "b")"#, vec!["a", "b"]),
        (r#"edge("a", id(type: "t")) { fault }"#, vec!["a"]),
        (r#"rootcause.fault.service { last name = "a" }"#, vec!["a"]),
        (r#"rootcause.fault.entity { name = "a" }"#, vec![]),
        (r#"name = "a""#, vec![]),
        (r#"!service("a")"#, vec![]),
        (r#"service("a") OR service("b")"#, vec!["a", "b"]),
        (r#"service("a") OR ok"#, vec![]),
        (r#"fault AND (service("a") OR ok) service("b")"#, vec!["b"]),
    ] {
        let parsed = parse(expression).expect("well formed");
        let found: Vec<&str> = filter::services(&parsed.expression).into_iter().collect();
        assert_eq!(found, names, "{expression}");
    }
}
