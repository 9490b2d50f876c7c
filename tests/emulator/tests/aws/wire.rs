//! The wire: signatures, protocols, forms of errors and answers.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use reqwest::StatusCode;
use serde_json::json;

use crate::support::{Aws, KEY, amz_date, authorization, json_of, signed};

#[tokio::test]
async fn a_request_without_credentials_is_refused_in_each_protocol() {
    let aws = Aws::start().await;
    let xray = aws
        .http
        .post(format!("{}/GetSamplingRules", aws.url()))
        .body("{}")
        .send()
        .await
        .expect("answered");
    assert_eq!(
        xray.headers()["x-amzn-errortype"],
        "MissingAuthenticationTokenException"
    );
    assert_eq!(
        json_of(xray).await,
        (403, json!({"message": "Missing Authentication Token"}))
    );
    let logs = aws
        .http
        .post(aws.url())
        .header("x-amz-target", "Logs_20140328.DescribeLogGroups")
        .body("{}");
    let (status, answer) = json_of(logs.send().await.expect("answered")).await;
    assert_eq!(
        (status, &answer["__type"]),
        (400, &json!("MissingAuthenticationTokenException"))
    );
    let sts = aws
        .http
        .post(aws.url())
        .body("Action=GetCallerIdentity&Version=2011-06-15")
        .send()
        .await
        .expect("answered");
    assert_eq!(sts.status(), StatusCode::FORBIDDEN);
    assert!(
        sts.text()
            .await
            .expect("text")
            .contains("<Code>MissingAuthenticationToken</Code>")
    );
}

#[tokio::test]
async fn a_signature_that_cannot_be_right_is_refused() {
    let aws = Aws::start().await;
    let date = amz_date();
    let good = authorization("xray", KEY, &date);
    let day = &date[..8];
    let yesterday = "20200101T000000Z";
    for (what, authorization, date, expected) in [
        (
            "another algorithm",
            good.replace("AWS4-HMAC-SHA256", "Basic"),
            date.as_str(),
            "IncompleteSignatureException",
        ),
        (
            "no signature",
            good.replace("Signature=", "Sig="),
            &date,
            "IncompleteSignatureException",
        ),
        (
            "no signed headers",
            good.replace("SignedHeaders=", "Headers="),
            &date,
            "IncompleteSignatureException",
        ),
        (
            "no credential",
            good.replace("Credential=", "Cred="),
            &date,
            "IncompleteSignatureException",
        ),
        (
            "a short scope",
            good.replace("/aws4_request", ""),
            &date,
            "IncompleteSignatureException",
        ),
        ("no date", good.clone(), "", "IncompleteSignatureException"),
        (
            "an odd date",
            good.clone(),
            "today",
            "IncompleteSignatureException",
        ),
        (
            "another service",
            good.replace("/xray/", "/s3/"),
            &date,
            "InvalidSignatureException",
        ),
        (
            "another terminator",
            good.replace("aws4_request", "aws5_request"),
            &date,
            "InvalidSignatureException",
        ),
        (
            "an odd region",
            good.replace("us-east-1", "US EAST"),
            &date,
            "InvalidSignatureException",
        ),
        (
            "another day",
            good.replace(day, "20200101"),
            &date,
            "InvalidSignatureException",
        ),
        (
            "an old date",
            good.replace(day, "20200101"),
            yesterday,
            "InvalidSignatureException",
        ),
        (
            "an unsigned host",
            good.replace("host;", ""),
            &date,
            "InvalidSignatureException",
        ),
        (
            "half a signature",
            good.replace(&"0".repeat(64), &"0".repeat(32)),
            &date,
            "InvalidSignatureException",
        ),
    ] {
        let mut request = aws
            .http
            .post(format!("{}/Groups", aws.url()))
            .header("authorization", authorization)
            .body("{}");
        if !date.is_empty() {
            request = request.header("x-amz-date", date);
        }
        let response = request.send().await.expect("answered");
        assert_eq!(response.headers()["x-amzn-errortype"], expected, "{what}");
        assert_eq!(response.status(), 403, "{what}");
    }
}

#[tokio::test]
async fn a_date_header_stands_for_the_date_of_a_signature() {
    let aws = Aws::start().await;
    let date = amz_date();
    let now = jiff::Timestamp::now();
    for (at, expected) in [(now, 200), (now - jiff::Span::new().hours(1), 403)] {
        let http_date = at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        let response = aws
            .http
            .post(format!("{}/Groups", aws.url()))
            .header("authorization", authorization("xray", KEY, &date))
            .header("date", &http_date)
            .body("{}")
            .send()
            .await
            .expect("answered");
        assert_eq!(response.status(), expected, "{http_date}");
    }
}

#[tokio::test]
async fn a_presigned_request_is_good_for_as_long_as_it_says() {
    let aws = Aws::start().await;
    let at = |minutes: i64| {
        let at = jiff::Timestamp::now() - jiff::Span::new().minutes(minutes);
        at.strftime("%Y%m%dT%H%M%SZ").to_string()
    };
    for (what, algorithm, date, expires, status, code) in [
        (
            "fresh",
            "AWS4-HMAC-SHA256",
            at(0),
            "&X-Amz-Expires=60",
            200,
            "",
        ),
        ("without an end", "AWS4-HMAC-SHA256", at(14), "", 200, ""),
        (
            "ended",
            "AWS4-HMAC-SHA256",
            at(2),
            "&X-Amz-Expires=60",
            403,
            "SignatureDoesNotMatch",
        ),
        (
            "from the future",
            "AWS4-HMAC-SHA256",
            at(-9),
            "",
            403,
            "SignatureDoesNotMatch",
        ),
        (
            "for too long",
            "AWS4-HMAC-SHA256",
            at(0),
            "&X-Amz-Expires=604801",
            403,
            "SignatureDoesNotMatch",
        ),
        (
            "in another way",
            "AWS3",
            at(0),
            "",
            403,
            "IncompleteSignature",
        ),
    ] {
        let (day, signature) = (&date[..8], "0".repeat(64));
        let url = format!(
            "{}/?Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Algorithm={algorithm}\
             &X-Amz-Credential={KEY}%2F{day}%2Fus-east-1%2Fsts%2Faws4_request&X-Amz-Date={date}{expires}\
             &X-Amz-SignedHeaders=host&X-Amz-Signature={signature}",
            aws.url()
        );
        let response = aws.http.get(url).send().await.expect("answered");
        let found = response.status();
        let xml = response.text().await.expect("text");
        assert_eq!(found, status, "{what}: {xml}");
        assert!(
            code.is_empty() || xml.contains(&format!("<Code>{code}</Code>")),
            "{what}: {xml}"
        );
    }
}

#[tokio::test]
async fn a_packed_body_is_unpacked() {
    let aws = Aws::start().await;
    let packed = |body: &[u8]| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(body).expect("packed");
        encoder.finish().expect("packed")
    };
    let bomb = packed(&vec![b' '; 64 << 20]);
    for (body, expected) in [
        (packed(br#"{"logGroupName":"a"}"#), None),
        (
            br#"{"logGroupName":"b"}"#.to_vec(),
            Some("SerializationException"),
        ),
        (bomb, Some("SerializationException")),
    ] {
        let response = aws
            .logs_request("CreateLogGroup", "")
            .header("content-encoding", "gzip")
            .body(body)
            .send()
            .await
            .expect("answered");
        let (status, text) = (response.status(), response.text().await.expect("text"));
        match expected {
            None => assert_eq!((status, text.as_str()), (StatusCode::OK, "")),
            Some(code) => assert!(status == 400 && text.contains(code), "{status} {text}"),
        }
    }
    let state = aws.state().await;
    assert!(state["logs"]["logGroups"]["a"].is_object(), "{state}");
}

#[tokio::test]
async fn unknown_operations_are_refused_in_each_protocol() {
    let aws = Aws::start().await;
    let unknown = aws
        .xray_request("/GetGroups", "{}")
        .send()
        .await
        .expect("answered");
    assert_eq!(
        (
            unknown.status().as_u16(),
            &unknown.headers()["x-amzn-errortype"]
        ),
        (404, &"UnknownOperationException".parse().expect("a header"))
    );
    let get = signed(aws.http.get(format!("{}/Groups", aws.url())), "xray", KEY)
        .send()
        .await
        .expect("answered");
    assert_eq!(get.status(), 404, "every operation is a POST");
    let (status, answer) = json_of(
        aws.logs_request("StartQuery", "{}")
            .send()
            .await
            .expect("answered"),
    )
    .await;
    assert_eq!(
        (status, &answer["__type"]),
        (400, &json!("UnknownOperationException"))
    );
    for (form, code) in [
        ("Action=GetSessionToken&Version=2011-06-15", "InvalidAction"),
        (
            "Action=GetCallerIdentity&Version=2000-01-01",
            "InvalidAction",
        ),
        ("Version=2011-06-15", "MissingAction"),
    ] {
        let response = aws.sts_request(form).send().await.expect("answered");
        assert_eq!(response.status(), 400);
        assert!(
            response
                .text()
                .await
                .expect("text")
                .contains(&format!("<Code>{code}</Code>")),
            "{form}"
        );
    }
}

#[tokio::test]
async fn every_answer_has_its_protocols_form_and_a_request_id() {
    let aws = Aws::start().await;
    let xray = aws
        .xray_request("/GetSamplingRules", "")
        .send()
        .await
        .expect("an empty body is an empty input");
    assert_eq!(xray.headers()["content-type"], "application/json");
    assert_eq!(xray.headers()["x-amzn-requestid"].len(), 36);
    let logs = aws
        .logs_request("CreateLogGroup", r#"{"logGroupName":"a"}"#)
        .send()
        .await
        .expect("answered");
    assert_eq!(logs.headers()["content-type"], "application/x-amz-json-1.1");
    assert_eq!(
        logs.text().await.expect("text"),
        "",
        "an operation without output answers nothing"
    );
    let sts = aws
        .sts_request("Action=GetCallerIdentity&Version=2011-06-15")
        .send()
        .await
        .expect("answered");
    assert_eq!(sts.headers()["content-type"], "text/xml");
    let xml = sts.text().await.expect("text");
    assert!(xml.starts_with("<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>"), "{xml}");
    assert!(xml.contains("<Account>123456789012</Account>"), "{xml}");
}

#[tokio::test]
async fn a_body_that_is_no_json_object_is_a_serialization_exception() {
    let aws = Aws::start().await;
    for body in [
        "{",
        "[]",
        "5",
        "\"x\"",
        "{\"GroupName\": {}}",
        "{\"GroupName\": [\"a\"]}",
        "{\"GroupName\": true}",
    ] {
        let response = aws
            .xray_request("/CreateGroup", body)
            .send()
            .await
            .expect("answered");
        assert_eq!(
            response.headers()["x-amzn-errortype"],
            "SerializationException",
            "{body}"
        );
        assert_eq!(response.status(), 400, "{body}");
    }
    let unknown = aws
        .xray_request("/CreateGroup", r#"{"GroupName":"a","Color":"blue"}"#)
        .send()
        .await
        .expect("answered");
    assert_eq!(unknown.status(), 200, "unknown members are ignored");
}

#[tokio::test]
async fn xml_in_messages_is_escaped() {
    let aws = Aws::start().await;
    let form = "Action=AssumeRole&Version=2011-06-15&RoleArn=arn:aws:iam::123456789012:role/r&RoleSessionName=%3Cb%3E%26";
    let xml = aws
        .sts_request(form)
        .send()
        .await
        .expect("answered")
        .text()
        .await
        .expect("text");
    assert!(
        xml.contains("<Code>ValidationError</Code>") && xml.contains("&lt;b&gt;&amp;"),
        "{xml}"
    );
}
