//! The numbers that AWS states, each with the page or model that states it.

/// Longest group name, in characters. [`CreateGroup`](https://docs.aws.amazon.com/xray/latest/api/API_CreateGroup.html).
pub const GROUP_NAME_MAX: usize = 32;

/// Groups in one account and region; cannot be raised.
/// [AWS X-Ray endpoints and quotas](https://docs.aws.amazon.com/general/latest/gr/xray.html), `L-7F259013`.
pub const GROUPS_QUOTA: usize = 25;

/// Sampling rules in one account and region, `Default` not counted; can be raised.
/// [AWS X-Ray endpoints and quotas](https://docs.aws.amazon.com/general/latest/gr/xray.html), `L-8C0C998A`.
pub const RULES_QUOTA: usize = 25;

/// Longest rule name, in characters. [`SamplingRule`](https://docs.aws.amazon.com/xray/latest/api/API_SamplingRule.html),
/// as are the bounds of the rule's fields below.
pub const RULE_NAME_MAX: usize = 32;

/// Highest priority of a rule other than `Default`; 1 is the lowest number.
pub const RULE_PRIORITY_MAX: i32 = 9_999;

/// Longest `ServiceName`, `ServiceType` and `Host` of a rule, in characters.
pub const RULE_SERVICE_MAX: usize = 64;

/// Longest `HTTPMethod` of a rule, in characters.
pub const RULE_METHOD_MAX: usize = 10;

/// Longest `URLPath` of a rule, in characters.
pub const RULE_PATH_MAX: usize = 128;

/// Longest `ResourceARN` of a rule, in characters.
pub const RULE_RESOURCE_ARN_MAX: usize = 500;

/// Most `Attributes` of a rule.
pub const RULE_ATTRIBUTES_MAX: usize = 5;

/// Longest key, and longest value, of a rule's `Attributes`, in characters.
pub const RULE_ATTRIBUTE_MAX: usize = 32;

/// Shortest `CooldownWindowMinutes` of a rate boost. CloudFormation's
/// [`SamplingRateBoost`](https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-xray-samplingrule-samplingrateboost.html)
/// says 1, the API's model 0; the narrower one holds in both.
pub const BOOST_COOLDOWN_MIN: i32 = 1;

/// Longest service name here. A segment's name may have 200 characters, but a rule's `ServiceName`, which must match it,
/// only [`RULE_SERVICE_MAX`].
pub const SERVICE_NAME_MAX: usize = RULE_SERVICE_MAX;

/// What a service name may have beside ASCII letters and digits: the signs that a segment's name may have
/// ([segment documents](https://docs.aws.amazon.com/xray/latest/devguide/xray-api-segmentdocuments.html)), without the
/// backslash, which environment variables and filter expressions would have to escape.
pub const SERVICE_NAME_SIGNS: &str = " _.:/%&#=+-@";

/// Longest log group name, in characters.
/// [`CreateLogGroup`](https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_CreateLogGroup.html).
pub const LOG_GROUP_NAME_MAX: usize = 512;

/// What a log group name may have beside ASCII letters and digits.
pub const LOG_GROUP_NAME_SIGNS: &str = ".-_/#";

/// What a log group name must not begin with.
pub const LOG_GROUP_NAME_RESERVED: &str = "aws/";

/// Longest log stream name, in characters.
/// [`CreateLogStream`](https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_CreateLogStream.html).
pub const LOG_STREAM_NAME_MAX: usize = 512;

/// What a log stream name must not have.
pub const LOG_STREAM_NAME_REFUSED: &str = ":*";

/// The retentions that CloudWatch Logs knows, in days.
/// [`PutRetentionPolicy`](https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html).
pub const RETENTION_DAYS: &[i32] = &[
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922,
    3288, 3653,
];

/// Most tags of a group, a sampling rule or a log group.
/// [AWS X-Ray endpoints and quotas](https://docs.aws.amazon.com/general/latest/gr/xray.html);
/// [`CreateLogGroup`](https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_CreateLogGroup.html).
pub const TAGS_MAX: usize = 50;

/// Longest tag key, in characters. [`Tag`](https://docs.aws.amazon.com/xray/latest/api/API_Tag.html).
pub const TAG_KEY_MAX: usize = 128;

/// Longest tag value, in characters. [`Tag`](https://docs.aws.amazon.com/xray/latest/api/API_Tag.html).
pub const TAG_VALUE_MAX: usize = 256;

/// What a tag key must not begin with. [`Tag`](https://docs.aws.amazon.com/xray/latest/api/API_Tag.html).
pub const TAG_KEY_RESERVED: &str = "aws:";
