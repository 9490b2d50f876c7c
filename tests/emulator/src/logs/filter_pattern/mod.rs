//! Filter patterns: terms in plain text, conditions on JSON events, and fields of space-delimited events.
//!
//! As the user guide describes them ("Filter pattern syntax for metric filters, subscription filters, filter log events,
//! and Live Tail"), where its words and examples are quoted.

mod dialect;
mod fields;
mod json;
mod scan;
mod terms;
mod test;

use fields::Fields;
use json::Condition;
use scan::Scanner;
use terms::Terms;

/// "There is a limit of 2 regex for each filter pattern when creating a delimited or JSON filter pattern".
const MAX_REGEXES: usize = 2;

/// A parsed pattern.
#[derive(Debug)]
pub(super) struct FilterPattern {
    form: Form,
    /// How many regular expressions it holds.
    pub(super) regexes: usize,
}

#[derive(Debug)]
enum Form {
    Terms(Terms),
    Json(Condition),
    Fields(Fields),
}

impl FilterPattern {
    /// Reads a pattern, or says what is wrong with it; the empty one matches everything.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut scanner = Scanner::new(text.trim());
        let form = match scanner.rest.chars().next() {
            Some('{') => {
                check_closed(scanner.rest, '{', '}')?;
                Form::Json(Condition::parse(&mut scanner)?)
            }
            Some('[') => {
                check_closed(scanner.rest, '[', ']')?;
                Form::Fields(Fields::parse(&mut scanner)?)
            }
            _ => Form::Terms(Terms::parse(&mut scanner)?),
        };
        let regexes = scanner.regexes;
        if !matches!(form, Form::Terms(_)) && regexes > MAX_REGEXES {
            return Err(format!(
                "Invalid filter pattern: at most {MAX_REGEXES} regular expressions in a pattern"
            ));
        }
        Ok(Self { form, regexes })
    }

    /// Whether a message matches.
    pub(super) fn matches(&self, message: &str) -> bool {
        match &self.form {
            Form::Terms(terms) => terms.matches(message),
            Form::Json(condition) => {
                serde_json::from_str(message).is_ok_and(|event| condition.holds(&event))
            }
            Form::Fields(fields) => fields.matches(message),
        }
    }
}

fn check_closed(text: &str, open: char, close: char) -> Result<(), String> {
    match text.ends_with(close) {
        true => Ok(()),
        false => Err(format!(
            "If a filter pattern starts with '{open}' it must end with '{close}'"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::FilterPattern;

    fn check(cases: &[(&str, &str, bool)]) {
        for (pattern, message, expected) in cases {
            let parsed = FilterPattern::parse(pattern).expect(pattern);
            assert_eq!(parsed.matches(message), *expected, "{pattern} on {message}");
        }
    }

    #[test]
    fn terms_match_as_the_user_guide_says() {
        check(&[
            ("", "anything", true),
            ("\" \"", "everything", true),
            ("ERROR", "[ERROR 400] BAD REQUEST", true),
            ("ERROR", "[error 400]", false),
            ("ERROR ARGUMENTS", "[ERROR 419] MISSING ARGUMENTS", true),
            ("ERROR ARGUMENTS", "[ERROR 400] BAD REQUEST", false),
            (
                "\"INTERNAL SERVER ERROR\"",
                "[ERROR 500] INTERNAL SERVER ERROR",
                true,
            ),
            ("\"INTERNAL SERVER ERROR\"", "INTERNAL ERROR SERVER", false),
            ("\"say \\\"hi\\\"\"", "they say \"hi\"", true),
            ("?ERROR ?ARGUMENTS", "[ERROR 400] BAD REQUEST", true),
            ("?ERROR ?ARGUMENTS", "INVALID ARGUMENTS", true),
            ("?ERROR ?ARGUMENTS", "INFO: fine", false),
            // Optional terms beside others have no effect.
            ("?ERROR ?ARGUMENTS REQUEST", "[INFO] REQUEST FAILED", true),
            ("?ERROR ?ARGUMENTS REQUEST", "[ERROR] 400", false),
            ("?ERROR -REQUEST", "[INFO] fine", true),
            ("ERROR -ARGUMENTS", "[ERROR 400] BAD REQUEST", true),
            ("ERROR -ARGUMENTS", "[ERROR 419] MISSING ARGUMENTS", false),
            ("-ERROR", "INFO: fine", true),
            ("-ERROR", "ERROR: not", false),
        ]);
    }

    #[test]
    fn regular_expressions_match_as_the_user_guide_says() {
        check(&[
            ("%AUTHORIZED%", "[ERROR 401] UNAUTHORIZED REQUEST", true),
            ("%^[hc]at%", "cat", true),
            ("%^[hc]at%", "a cat", false),
            ("%[hc]at$%", "a hat", true),
            ("%colou?r%", "my color", true),
            ("%^a{3,5}$%", "aaaa", true),
            ("%^a{3,5}$%", "aaaaaa", false),
            ("%^a{3,}$%", "aaaaaa", true),
            (
                "%^starting|^initializing|^shutting down%",
                "shutting down",
                true,
            ),
            (
                "%^starting|^initializing|^shutting down%",
                "skipping initializing",
                false,
            ),
            (r"%\[.\]%", "a [7] b", true),
            (r"%\[.\]%", "a 7 b", false),
            (r"%10\.10\.0\.1%", "at 10.10.0.1", true),
            (r"%10\.10\.0\.1%", "at 10010,051", false),
            ("%10.10.0.1%", "at 10010,051", true),
            (r"%^\d\D\s\S\w\W$%", "1a b_-", true),
            (r"%\d%", "\u{663}", false),
            (r"%\x3A\x28%", ":(", true),
            ("%ab[0-9]*% -%c+%", "ab129", true),
        ]);
    }

    #[test]
    fn json_conditions_match_as_the_user_guide_says() {
        let trail = r#"{"eventType":"UpdateTrail","sourceIPAddress":"111.111.111.111","arrayKey":["value","another value"],
            "objectList":[{"name":"a","id":1},{"name":"b","id":2}],"SomeObject":null,"cluster.name":"c","ThisFlag":true}"#;
        let people = r#"{"user":{"id":1,"email":"John.Stiles@example.com"},
            "users":[{"id":2,"email":"John.Doe@example.com"},{"id":3,"email":"Jane.Doe@example.com"}],
            "actions":["GET","PUT","DELETE"],"coordinates":[[0,1,2],[4,5,6],[7,8,9]]}"#;
        let numbers = r#"{"latency":49.5,"number":[1000],"code":"404","status":404}"#;
        check(&[
            ("{ $.eventType = \"UpdateTrail\" }", trail, true),
            ("{$.eventType=UpdateTrail}", trail, true),
            ("{ $.eventType = Update* }", trail, true),
            ("{ $.eventType = \"*Trail\" }", trail, true),
            ("{ $.eventType = *dateT* }", trail, true),
            ("{ $.eventType = Up*rail }", trail, false),
            ("{ $.eventType = * }", trail, true),
            ("{ $.sourceIPAddress != 123.123.* }", trail, true),
            ("{ $.sourceIPAddress != 111.111.* }", trail, false),
            ("{ $.absent != 1 }", trail, false),
            ("{ $.arrayKey[0] = \"value\" }", trail, true),
            ("{ $.arrayKey = \"value\" }", trail, false),
            ("{ $.arrayKey != \"value\" }", trail, false),
            ("{ $.objectList[1].id = 2 }", trail, true),
            ("{ $.eventType = %Trail% }", trail, true),
            ("{ $.eventType != %Trail% }", trail, false),
            ("{ $.arrayKey[*] = %val.{2}% }", trail, true),
            ("{ $.arrayKey[*] = \"third\" }", trail, false),
            (r"{ $.* = %111\.111\.111\.1[0-9]{1,2}% }", trail, true),
            ("{ $.objectList[*].name = b }", trail, true),
            ("{ $.['cluster.name'] = \"c\" }", trail, true),
            ("{ $.[\"cluster.name\"] = \"d\" }", trail, false),
            ("{ $.SomeObject IS NULL }", trail, true),
            ("{ $.eventType IS NULL }", trail, false),
            ("{ $.ThisFlag IS TRUE }", trail, true),
            ("{ $.ThisFlag IS FALSE }", trail, false),
            ("{ $.SomeOtherObject NOT EXISTS }", trail, true),
            ("{ $.SomeObject NOT EXISTS }", trail, false),
            (
                "{ ($.user.id = 1) && ($.users[0].email = \"John.Doe@example.com\") }",
                people,
                true,
            ),
            (
                "{ $.user.email = \"John.Stiles@example.com\" || $.coordinates[0][1] = \"nonmatch\" && $.actions[2] = \"nonmatch\" }",
                people,
                true,
            ),
            (
                "{ ($.user.email = \"John.Stiles@example.com\" || $.coordinates[0][1] = \"nonmatch\") && $.actions[2] = \"nonmatch\" }",
                people,
                false,
            ),
            (
                "{ ($.user.id = 2 && $.users[0].email = \"nonmatch\") || $.actions[2] = \"GET\" }",
                people,
                false,
            ),
            ("{ $.coordinates[1][2] = 6 }", people, true),
            ("{ $.latency < 50 }", numbers, true),
            ("{ $.latency >= 49.5 }", numbers, true),
            ("{ $.latency > +49 && $.latency <= 1e2 }", numbers, true),
            ("{ $.number[0] = 1e+3 }", numbers, true),
            ("{ $.number[0] != 1e-3 }", numbers, true),
            ("{ $.status = 404 }", numbers, true),
            ("{ $.status = 4* }", numbers, true),
            ("{ $.code = 404 }", numbers, true),
            ("{ $.code > 400 }", numbers, false),
            ("{ $.eventType = \"UpdateTrail\" }", "no json", false),
        ]);
    }

    #[test]
    fn fields_match_as_the_user_guide_says() {
        let access = r#"127.0.0.1 Prod frank [10/Oct/2000:13:25:15 -0700] "GET /index.html HTTP/1.0" 404 1534"#;
        let get = "INFO 09/25/2014 12:00:00 GET /service/resource/67 1200";
        let post = "INFO 09/25/2014 12:00:01 POST /service/resource/67/part/111 1310";
        let warning = "WARNING 09/25/2014 12:00:02 Invalid user request";
        let error = "ERROR 09/25/2014 12:00:02 Failed to process request";
        check(&[
            (
                "[ip, user, username, timestamp, request, status_code, bytes]",
                access,
                true,
            ),
            (
                r"[ip=%127\.0\.0\.[1-9]%, user, username, timestamp, request =*.html*, status_code = 4*, bytes]",
                access,
                true,
            ),
            (
                "[..., request =*.html*, status_code = 4*, bytes]",
                access,
                true,
            ),
            (
                "[..., request =*.png*, status_code = 4*, bytes]",
                access,
                false,
            ),
            ("[ip, ..., bytes > 1000]", access, true),
            ("[ip, ..., bytes > 2000]", access, false),
            ("[ip = 127.0.0.1, ...]", access, true),
            (
                "[..., status_code = 404 || status_code = 410, bytes]",
                access,
                true,
            ),
            (
                "[..., status_code = 4* && status_code != 403, bytes]",
                access,
                true,
            ),
            (
                "[..., status_code = 4* && status_code != 404, bytes]",
                access,
                false,
            ),
            (
                "[..., timestamp = \"10/Oct/2000*\", request, status_code, bytes]",
                access,
                true,
            ),
            ("[a, b, c, d, e, f, g, h]", access, false),
            ("[..., status_code = 4*,]", access, true),
            ("[w1=ERROR, w2]", error, true),
            ("[w1=ERROR, w2]", warning, false),
            ("[w1=ERROR, w2]", "ERROR", false),
            ("[w1=ERROR || w1=WARNING, w2]", warning, true),
            ("[w1!=ERROR && w1!=WARNING, w2]", get, true),
            ("[w1!=ERROR && w1!=WARNING, w2]", error, false),
            ("[w1=ERROR, w2=\"*to process request\"]", error, true),
            (
                "[logLevel, date, time, method, url=%/service/resource/[0-9]+$%, response_time]",
                get,
                true,
            ),
            (
                "[logLevel, date, time, method, url=%/service/resource/[0-9]+$%, response_time]",
                post,
                false,
            ),
            (
                "[logLevel, date, time, method, url=%/service/resource/[0-9]+/part/[0-9]+$%, response_time]",
                post,
                true,
            ),
            ("[a, b]", "\"one \\\" field\" [another", true),
            ("[a, b]", "[one field]", false),
        ]);
    }

    #[test]
    fn a_broken_pattern_is_refused() {
        for pattern in [
            "\"open",
            "\"\"",
            "ORDER-ITEM-1",
            "a.b",
            "?",
            "{ $.a",
            "{ $.a = }",
            "{ $.a < x }",
            "{ $.a > \"5\" }",
            "{ a = 1 }",
            "{ $ = 1 }",
            "{ $.a = 1 } b",
            "{ $.a = b@c }",
            "{ $.a IS NOT NULL }",
            "{ $.a EXISTS }",
            "{ $.*.b[*] = 1 }",
            "{ $.a[*] = 1 || $.b[*] = 1 || $.c[*] = 1 || $.d[*] = 1 }",
            "{ $.a = %a% && $.b = %b% && $.c = %c% }",
            "%(a)%",
            "%something!%",
            "%\u{e9}%",
            r"%\p%",
            r"%a\%",
            "%open",
            "%((((a{9999}){9999}){9999})%",
            "%a{999}{999}{999}%",
            "[a, b",
            "[a = ]",
            "[a = 1 && b = 2]",
            "[..., a, ...]",
            "[a b]",
            "[a] b",
        ] {
            assert!(FilterPattern::parse(pattern).is_err(), "{pattern}");
        }
        let deep = format!("{{ {}$.a = 1}}", "(".repeat(500));
        assert!(FilterPattern::parse(&deep).is_err());
        let words = FilterPattern::parse("{ $.a = 1").expect_err("not closed");
        assert_eq!(
            words,
            "If a filter pattern starts with '{' it must end with '}'"
        );
    }
}
