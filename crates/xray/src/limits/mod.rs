//! Names and bounds that AWS states, and checks that say in a sentence what to write instead.
//!
//! Lengths are in characters, as AWS's service models count them.
//!
//! ```
//! use tracewright_xray::limits;
//! assert_eq!(limits::check_retention_days(7), Ok(()));
//! assert_eq!(
//!     limits::check_retention_days(10).unwrap_err().to_string(),
//!     "a retention of 10 days is not one that CloudWatch Logs has; write 7 or 14"
//! );
//! ```

mod bounds;

pub use bounds::*;

use crate::contract::name::DEFAULT_GROUP;
use crate::rule::SamplingRule;

/// What is out of bounds, and what to write.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum LimitError {
    /// Too short or too long.
    #[error("{what} is {length} characters long; write {min} to {max}")]
    Length {
        /// What was checked.
        what: &'static str,
        /// Its length.
        length: usize,
        /// The shortest.
        min: usize,
        /// The longest.
        max: usize,
    },
    /// A character that is not allowed.
    #[error("{what} has the character {found:?}; write {allowed}")]
    Character {
        /// What was checked.
        what: &'static str,
        /// The first such character.
        found: char,
        /// What is allowed.
        allowed: String,
    },
    /// A name, or its beginning, that AWS keeps for itself.
    #[error("{what} must not {verb} {reserved:?}, which AWS keeps for itself; write another")]
    Reserved {
        /// What was checked.
        what: &'static str,
        /// `be` or `begin with`.
        verb: &'static str,
        /// What is reserved.
        reserved: &'static str,
    },
    /// A space at the beginning or end.
    #[error("{what} begins or ends with a space; remove it")]
    OuterSpace {
        /// What was checked.
        what: &'static str,
    },
    /// A number out of its range.
    #[error("{what} is {value}; write {range}")]
    Range {
        /// What was checked.
        what: &'static str,
        /// The number.
        value: f64,
        /// The range, in words.
        range: &'static str,
    },
    /// Too many of something.
    #[error("there are {count} {what}; {max} is the most")]
    Count {
        /// What was counted.
        what: &'static str,
        /// How many there are.
        count: usize,
        /// How many there may be.
        max: usize,
    },
    /// A retention that CloudWatch Logs does not have.
    #[error("a retention of {days} days is not one that CloudWatch Logs has; write {nearest}")]
    Retention {
        /// The days.
        days: i32,
        /// The nearest ones that it has, in words.
        nearest: String,
    },
}

/// Checks a group's name: 1 to 32 letters, digits and dashes
/// ([Configuring groups](https://docs.aws.amazon.com/xray/latest/devguide/xray-console-groups.html)), not `Default`.
///
/// # Errors
///
/// What is wrong with it.
pub fn check_group_name(name: &str) -> Result<(), LimitError> {
    const WHAT: &str = "a group's name";
    check_length(WHAT, name, 1, GROUP_NAME_MAX)?;
    check_letters(WHAT, name, "-")?;
    if name == DEFAULT_GROUP {
        return Err(LimitError::Reserved {
            what: WHAT,
            verb: "be",
            reserved: DEFAULT_GROUP,
        });
    }
    Ok(())
}

/// Checks a sampling rule's name: 1 to 32 characters. `Default` is one: AWS's own rule.
///
/// # Errors
///
/// What is wrong with it.
pub fn check_rule_name(name: &str) -> Result<(), LimitError> {
    const WHAT: &str = "a sampling rule's name";
    check_length(WHAT, name, 1, RULE_NAME_MAX)?;
    check_outer_space(WHAT, name)
}

/// Checks every field of a sampling rule.
///
/// # Errors
///
/// All that is wrong, in the order of the fields.
pub fn check_rule(rule: &SamplingRule) -> Result<(), Vec<LimitError>> {
    let priority_fits = (1..=RULE_PRIORITY_MAX).contains(&rule.priority) || rule.is_default();
    let mut checks = vec![
        check_rule_name(&rule.rule_name),
        check_range(
            "priority",
            f64::from(rule.priority),
            "1 to 9999",
            priority_fits,
        ),
        check_share("fixedRate", rule.fixed_rate),
        check_range(
            "reservoirSize",
            f64::from(rule.reservoir_size),
            "0 or more",
            rule.reservoir_size >= 0,
        ),
        check_length("serviceName", &rule.service_name, 0, RULE_SERVICE_MAX),
        check_length("serviceType", &rule.service_type, 0, RULE_SERVICE_MAX),
        check_length("host", &rule.host, 0, RULE_SERVICE_MAX),
        check_length("httpMethod", &rule.http_method, 0, RULE_METHOD_MAX),
        check_length("urlPath", &rule.url_path, 0, RULE_PATH_MAX),
        check_length("resourceArn", &rule.resource_arn, 0, RULE_RESOURCE_ARN_MAX),
        check_count("attributes", rule.attributes.len(), RULE_ATTRIBUTES_MAX),
    ];
    for (key, value) in &rule.attributes {
        checks.push(check_length(
            "a key of attributes",
            key,
            1,
            RULE_ATTRIBUTE_MAX,
        ));
        checks.push(check_length(
            "a value of attributes",
            value,
            1,
            RULE_ATTRIBUTE_MAX,
        ));
    }
    checks.push(check_range(
        "version",
        f64::from(rule.version),
        "1",
        rule.version == 1,
    ));
    if let Some(boost) = rule.sampling_rate_boost {
        let minutes = boost.cooldown_window_minutes;
        checks.push(check_share("rateBoost.maxRate", boost.max_rate));
        checks.push(check_range(
            "rateBoost.cooldownWindowMinutes",
            f64::from(minutes),
            "1 or more",
            minutes >= BOOST_COOLDOWN_MIN,
        ));
    }
    let errors: Vec<LimitError> = checks.into_iter().filter_map(Result::err).collect();
    if errors.is_empty() {
        Ok(())
    } else {
        Err(errors)
    }
}

/// Checks a service's name: what may be a segment's name, a rule's `ServiceName` and an environment variable's value.
///
/// # Errors
///
/// What is wrong with it.
pub fn check_service_name(name: &str) -> Result<(), LimitError> {
    const WHAT: &str = "a service's name";
    check_length(WHAT, name, 1, SERVICE_NAME_MAX)?;
    check_letters(WHAT, name, SERVICE_NAME_SIGNS)?;
    check_outer_space(WHAT, name)
}

/// Checks a log group's name.
///
/// # Errors
///
/// What is wrong with it.
pub fn check_log_group_name(name: &str) -> Result<(), LimitError> {
    const WHAT: &str = "a log group's name";
    check_length(WHAT, name, 1, LOG_GROUP_NAME_MAX)?;
    check_letters(WHAT, name, LOG_GROUP_NAME_SIGNS)?;
    check_prefix(WHAT, name, LOG_GROUP_NAME_RESERVED)
}

/// Checks a log stream's name.
///
/// # Errors
///
/// What is wrong with it.
pub fn check_log_stream_name(name: &str) -> Result<(), LimitError> {
    const WHAT: &str = "a log stream's name";
    check_length(WHAT, name, 1, LOG_STREAM_NAME_MAX)?;
    match name.chars().find(|c| LOG_STREAM_NAME_REFUSED.contains(*c)) {
        None => Ok(()),
        Some(found) => Err(LimitError::Character {
            what: WHAT,
            found,
            allowed: "any but : and *".to_owned(),
        }),
    }
}

/// Checks a retention in days.
///
/// # Errors
///
/// The nearest retentions, if CloudWatch Logs does not have this one.
pub fn check_retention_days(days: i32) -> Result<(), LimitError> {
    let Err(position) = RETENTION_DAYS.binary_search(&days) else {
        return Ok(());
    };
    let shorter = position.checked_sub(1).map(|at| RETENTION_DAYS[at]);
    let nearest = match (shorter, RETENTION_DAYS.get(position)) {
        (Some(shorter), Some(longer)) => format!("{shorter} or {longer}"),
        (Some(only), None) => only.to_string(),
        (None, longer) => longer.copied().unwrap_or_default().to_string(),
    };
    Err(LimitError::Retention { days, nearest })
}

/// Checks tags: how many, their lengths, and that no key begins with `aws:`, whatever its case.
///
/// # Errors
///
/// The first thing that is wrong.
pub fn check_tags<'a>(
    tags: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<(), LimitError> {
    const KEY: &str = "a tag's key";
    let mut count = 0;
    for (key, value) in tags {
        count += 1;
        check_length(KEY, key, 1, TAG_KEY_MAX)?;
        check_prefix(KEY, &key.to_ascii_lowercase(), TAG_KEY_RESERVED)?;
        check_length("a tag's value", value, 0, TAG_VALUE_MAX)?;
    }
    check_count("tags", count, TAGS_MAX)
}

fn check_length(what: &'static str, text: &str, min: usize, max: usize) -> Result<(), LimitError> {
    let length = text.chars().count();
    if (min..=max).contains(&length) {
        return Ok(());
    }
    Err(LimitError::Length {
        what,
        length,
        min,
        max,
    })
}

/// ASCII letters, digits, and the given signs.
fn check_letters(what: &'static str, text: &str, signs: &str) -> Result<(), LimitError> {
    let fits = |c: char| c.is_ascii_alphanumeric() || signs.contains(c);
    let Some(found) = text.chars().find(|c| !fits(*c)) else {
        return Ok(());
    };
    let signs: Vec<String> = signs
        .chars()
        .map(|sign| match sign {
            ' ' => "space".to_owned(),
            sign => sign.to_string(),
        })
        .collect();
    Err(LimitError::Character {
        what,
        found,
        allowed: format!("only A-Z a-z 0-9 {}", signs.join(" ")),
    })
}

fn check_outer_space(what: &'static str, text: &str) -> Result<(), LimitError> {
    if text.trim() == text {
        Ok(())
    } else {
        Err(LimitError::OuterSpace { what })
    }
}

fn check_prefix(what: &'static str, text: &str, reserved: &'static str) -> Result<(), LimitError> {
    if text.starts_with(reserved) {
        return Err(LimitError::Reserved {
            what,
            verb: "begin with",
            reserved,
        });
    }
    Ok(())
}

fn check_count(what: &'static str, count: usize, max: usize) -> Result<(), LimitError> {
    if count <= max {
        Ok(())
    } else {
        Err(LimitError::Count { what, count, max })
    }
}

fn check_share(what: &'static str, value: f64) -> Result<(), LimitError> {
    check_range(
        what,
        value,
        "a share from 0 to 1",
        (0.0..=1.0).contains(&value),
    )
}

fn check_range(
    what: &'static str,
    value: f64,
    range: &'static str,
    fits: bool,
) -> Result<(), LimitError> {
    if fits {
        Ok(())
    } else {
        Err(LimitError::Range { what, value, range })
    }
}
