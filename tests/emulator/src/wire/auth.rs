//! Signature Version 4 as far as it can be checked without the secret: presence, form, scope, date and access key.

use std::borrow::Cow;
use std::collections::HashMap;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::Request;
use crate::error::AwsError;
use crate::service::Service;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// How far the signing date may be from now.
const MAX_SKEW_MS: i64 = 5 * 60_000;
/// Life of a presigned request that names none, seconds.
const DEFAULT_EXPIRES_S: i64 = 900;
/// Longest life of a presigned request, seconds: seven days.
const MAX_EXPIRES_S: i64 = 604_800;
/// How signatures write dates.
const BASIC: &str = "%Y%m%dT%H%M%SZ";

/// The credential scope of a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Credential {
    pub(crate) access_key: String,
    pub(crate) region: String,
    pub(crate) service: Service,
    pub(crate) session_token: Option<String>,
}

/// The parts of a signature, from the Authorization header or, presigned, from the query string.
struct Signature<'a> {
    scope: Cow<'a, str>,
    signed_headers: Cow<'a, str>,
    signature: Cow<'a, str>,
    date: Signed,
    session_token: Option<Cow<'a, str>>,
}

/// When a request was signed.
struct Signed {
    /// As it was written, for messages.
    written: String,
    at_ms: i64,
    /// How long the signature is good, milliseconds.
    good_for_ms: i64,
}

/// The credentials of a request, or how `fallback` refuses the lack of them.
pub(crate) fn credential(
    request: &Request<'_>,
    fallback: Service,
    wall_ms: i64,
) -> Result<Credential, AwsError> {
    let signature = match request.header("authorization") {
        Some(authorization) => of_header(request, authorization, fallback)?,
        None => presigned(request, fallback)?.ok_or_else(|| fallback.missing_token())?,
    };
    check(signature, fallback, wall_ms)
}

fn of_header<'a>(
    request: &Request<'a>,
    authorization: &'a str,
    fallback: Service,
) -> Result<Signature<'a>, AwsError> {
    let parameters = authorization.strip_prefix(ALGORITHM).ok_or_else(|| {
        fallback.incomplete_signature(format!(
            "Unsupported AWS 'algorithm': {authorization:?}. Write {ALGORITHM}"
        ))
    })?;
    let parameter = |name: &str| {
        let mut found = parameters
            .split(',')
            .filter_map(|part| part.trim().split_once('='));
        found
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value)
            .filter(|value| !value.is_empty())
    };
    let date = request
        .header("x-amz-date")
        .or_else(|| request.header("date"));
    let (Some(scope), Some(signed_headers), Some(signature), Some(date)) = (
        parameter("Credential"),
        parameter("SignedHeaders"),
        parameter("Signature"),
        date,
    ) else {
        let mut lacking = Vec::new();
        for name in ["Credential", "Signature", "SignedHeaders"] {
            if parameter(name).is_none() {
                lacking.push(format!("Authorization header requires '{name}' parameter."));
            }
        }
        if date.is_none() {
            lacking.push("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.".to_owned());
        }
        return Err(fallback.incomplete_signature(format!(
            "{} Authorization={authorization}",
            lacking.join(" ")
        )));
    };
    Ok(Signature {
        scope: scope.into(),
        signed_headers: signed_headers.into(),
        signature: signature.into(),
        date: signed_at(fallback, date, MAX_SKEW_MS)?,
        session_token: request.header("x-amz-security-token").map(Cow::from),
    })
}

/// The signature in the query string of a presigned request; `None` if there is none.
fn presigned<'a>(
    request: &Request<'a>,
    fallback: Service,
) -> Result<Option<Signature<'a>>, AwsError> {
    let query: HashMap<Cow<'a, str>, Cow<'a, str>> =
        form_urlencoded::parse(request.http.query_string().as_bytes()).collect();
    let Some(algorithm) = query.get("X-Amz-Algorithm") else {
        return Ok(None);
    };
    if algorithm != ALGORITHM {
        return Err(fallback.incomplete_signature(format!(
            "Unsupported AWS 'algorithm': {algorithm:?}. Write {ALGORITHM}"
        )));
    }
    let parameter = |name: &str| {
        query
            .get(name)
            .filter(|value| !value.is_empty())
            .cloned()
            .ok_or_else(|| {
                fallback.incomplete_signature(format!(
                    "AWS query-string parameters must include '{name}'."
                ))
            })
    };
    let good_for_s = match query.get("X-Amz-Expires") {
        None => DEFAULT_EXPIRES_S,
        Some(expires) => expires
            .parse()
            .ok()
            .filter(|seconds| (1..=MAX_EXPIRES_S).contains(seconds))
            .ok_or_else(|| {
                fallback.invalid_signature(format!(
                    "X-Amz-Expires must be a number from 1 to {MAX_EXPIRES_S} seconds, not '{expires}'."
                ))
            })?,
    };
    Ok(Some(Signature {
        scope: parameter("X-Amz-Credential")?,
        signed_headers: parameter("X-Amz-SignedHeaders")?,
        signature: parameter("X-Amz-Signature")?,
        date: signed_at(fallback, &parameter("X-Amz-Date")?, good_for_s * 1000)?,
        session_token: query.get("X-Amz-Security-Token").cloned(),
    }))
}

fn signed_at(fallback: Service, date: &str, good_for_ms: i64) -> Result<Signed, AwsError> {
    let basic = DateTime::strptime(BASIC, date).and_then(|date| date.to_zoned(TimeZone::UTC));
    // A Date header has HTTP's form.
    let signed = basic.or_else(|_| jiff::fmt::rfc2822::parse(date));
    let Ok(signed) = signed else {
        return Err(fallback.incomplete_signature(format!("Date must be in ISO-8601 'basic format'. Got '{date}'. See http://en.wikipedia.org/wiki/ISO_8601")));
    };
    let signed = signed.with_time_zone(TimeZone::UTC);
    Ok(Signed {
        written: signed.strftime(BASIC).to_string(),
        at_ms: signed.timestamp().as_millisecond(),
        good_for_ms,
    })
}

fn check(
    signature: Signature<'_>,
    fallback: Service,
    wall_ms: i64,
) -> Result<Credential, AwsError> {
    let Signature {
        scope,
        signed_headers,
        signature,
        date,
        session_token,
    } = signature;
    let [access_key, scope_date, region, service, terminator] =
        scope.split('/').collect::<Vec<_>>()[..]
    else {
        return Err(fallback.incomplete_signature(format!("Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '{scope}'")));
    };
    let Some(service) = Service::from_scope(service) else {
        return Err(fallback.invalid_signature(format!(
            "Credential should be scoped to correct service: '{}'.",
            fallback.name()
        )));
    };
    if terminator != "aws4_request" {
        return Err(service.invalid_signature(format!("Credential should be scoped with a valid terminator: 'aws4_request', not '{terminator}'.")));
    }
    if region.is_empty()
        || !region
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    {
        return Err(service.invalid_signature(format!(
            "Credential should be scoped to a valid region, not '{region}'."
        )));
    }
    check_date(service, &date, scope_date, wall_ms)?;
    if !signed_headers.split(';').any(|header| header == "host") {
        return Err(service.invalid_signature(
            "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.",
        ));
    }
    if signature.len() != 64 || !signature.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(service.invalid_signature(
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.",
        ));
    }
    Ok(Credential {
        access_key: access_key.to_owned(),
        region: region.to_owned(),
        service,
        session_token: session_token.map(Cow::into_owned),
    })
}

fn check_date(
    service: Service,
    date: &Signed,
    scope_date: &str,
    wall_ms: i64,
) -> Result<(), AwsError> {
    let written = &date.written;
    if !written.starts_with(scope_date) || scope_date.len() != 8 {
        return Err(service.invalid_signature(format!(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '{scope_date}' != '{}', from '{written}'.",
            written.get(..8).unwrap_or(written)
        )));
    }
    let now = jiff::Timestamp::from_millisecond(wall_ms).map_or_else(
        |_| wall_ms.to_string(),
        |now| now.strftime(BASIC).to_string(),
    );
    let minutes = MAX_SKEW_MS / 60_000;
    if wall_ms - date.at_ms > date.good_for_ms {
        return Err(service.invalid_signature(format!(
            "Signature expired: {written} is now earlier than {now} minus {} min.",
            date.good_for_ms / 60_000
        )));
    }
    if date.at_ms - wall_ms > MAX_SKEW_MS {
        return Err(service.invalid_signature(format!(
            "Signature not yet current: {written} is still later than {now} plus {minutes} min."
        )));
    }
    Ok(())
}
