"""STS, credentials and rates."""

from datetime import datetime, timedelta, timezone

from support import ACCOUNT, check, refused

# STS and credentials


@check
def roles_lead_into_their_accounts(e):
    other = "222222222222"
    assert e.sts.get_caller_identity()["Account"] == ACCOUNT
    answer = e.sts.assume_role(
        RoleArn=f"arn:aws:iam::{other}:role/path/r",
        RoleSessionName="session",
        DurationSeconds=900,
        SourceIdentity="ada",
        Tags=[{"Key": "k", "Value": "v"}],
    )
    credentials = answer["Credentials"]
    ends = credentials["Expiration"] - datetime.now(timezone.utc)
    assert timedelta(seconds=880) < ends < timedelta(seconds=920), ends
    key, token = credentials["AccessKeyId"], credentials["SessionToken"]
    identity = e.client("sts", key, token).get_caller_identity()
    assert identity["Arn"] == f"arn:aws:sts::{other}:assumed-role/r/session" and identity["Account"] == other
    e.client("logs", key, token).create_log_group(logGroupName="theirs")
    assert e.logs.describe_log_groups()["logGroups"] == []
    assert e.client("logs", key, token, region="eu-west-1").describe_log_groups()["logGroups"] == []
    refused("UnrecognizedClientException", lambda: e.client("logs", key).describe_log_groups())
    refused("UnrecognizedClientException", lambda: e.client("xray", key, "wrong").get_groups(), status=403)
    refused("InvalidClientTokenId", lambda: e.client("sts", key).get_caller_identity(), status=403)
    chained = e.client("sts", key, token)
    refused(
        "ValidationError",
        lambda: chained.assume_role(RoleArn=f"arn:aws:iam::{other}:role/r", RoleSessionName="session", DurationSeconds=7200),
    )
    for arguments in [
        {"RoleArn": "arn:aws:iam::1:role/role", "RoleSessionName": "session"},
        {"RoleArn": f"arn:aws:iam::{other}:user/r", "RoleSessionName": "session"},
        {"RoleArn": f"arn:aws:iam::{other}:role/r", "RoleSessionName": "s"},
        {"RoleArn": f"arn:aws:iam::{other}:role/r", "RoleSessionName": "session", "DurationSeconds": 60},
    ]:
        refused("ValidationError", lambda: e.sts.assume_role(**arguments))
    e.control("PUT", "clock", {"advance": "PT1H"})
    refused("ExpiredTokenException", lambda: e.client("logs", key, token).describe_log_groups())
    refused("ExpiredTokenException", lambda: e.client("xray", key, token).get_groups(), status=403)
    refused("ExpiredToken", lambda: e.client("sts", key, token).get_caller_identity(), status=403)


@check
def rates_are_held_in_each_services_words(e):
    e.control("PUT", "limits", {"xray.GetGroups": {"tps": 0, "burst": 1}, "logs.DescribeLogGroups": {"tps": 0, "burst": 1}})
    e.xray.get_groups()
    refused("ThrottledException", e.xray.get_groups, status=429)
    e.logs.describe_log_groups()
    refused("ThrottlingException", e.logs.describe_log_groups, text="Rate exceeded")
    counts = e.control("GET", "calls")["counts"]
    assert counts["xray.GetGroups"] == {"ok": 1, "throttled": 1, "error": 0}, counts
    e.control("PUT", "limits", {"xray.GetGroups": {"tps": 1e5, "burst": 1e5}, "logs.DescribeLogGroups": {"tps": 1e5, "burst": 1e5}})
