//! Signature Version 4 as far as it can be checked without the secret: presence, form, scope, date and access key.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::Request;
use crate::error::AwsError;
use crate::service::Service;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// How far the signing date may be from now.
const MAX_SKEW_MINUTES: i64 = 5;

/// The credential scope of a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Credential<'a> {
    pub(crate) access_key: &'a str,
    pub(crate) region: &'a str,
    pub(crate) service: Service,
    pub(crate) session_token: Option<&'a str>,
}

/// The credentials of a request, or how `fallback` refuses the lack of them.
pub(crate) fn credential<'a>(
    request: &Request<'a>,
    fallback: Service,
    wall_ms: i64,
) -> Result<Credential<'a>, AwsError> {
    let authorization = request
        .header("authorization")
        .ok_or_else(|| fallback.missing_token())?;
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
    let date = request.header("x-amz-date");
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
    check_date(service, date, scope_date, wall_ms)?;
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
        access_key,
        region,
        service,
        session_token: request.header("x-amz-security-token"),
    })
}

fn check_date(
    service: Service,
    date: &str,
    scope_date: &str,
    wall_ms: i64,
) -> Result<(), AwsError> {
    let parsed =
        DateTime::strptime("%Y%m%dT%H%M%SZ", date).and_then(|date| date.to_zoned(TimeZone::UTC));
    let Ok(signed) = parsed else {
        return Err(service.incomplete_signature(format!("Date must be in ISO-8601 'basic format'. Got '{date}'. See http://en.wikipedia.org/wiki/ISO_8601")));
    };
    if !date.starts_with(scope_date) || scope_date.len() != 8 {
        return Err(service.invalid_signature(format!(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '{scope_date}' != '{}', from '{date}'.",
            date.get(..8).unwrap_or(date)
        )));
    }
    let skew_minutes = (signed.timestamp().as_millisecond() - wall_ms) as f64 / 60_000.0;
    if skew_minutes < -(MAX_SKEW_MINUTES as f64) {
        return Err(service.invalid_signature(format!("Signature expired: {date} is now earlier than the current time less {MAX_SKEW_MINUTES} min.")));
    }
    if skew_minutes > MAX_SKEW_MINUTES as f64 {
        return Err(service.invalid_signature(format!("Signature not yet current: {date} is still later than the current time plus {MAX_SKEW_MINUTES} min.")));
    }
    Ok(())
}
