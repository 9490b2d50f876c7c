"""CloudWatch Logs: groups, tags, policies."""

import json

from support import ACCOUNT, REGION, check, refused

# CloudWatch Logs: groups


@check
def a_log_group_lives_and_dies(e):
    logs = e.logs
    key = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    logs.create_log_group(
        logGroupName="/app/a", tags={"team": "a"}, logGroupClass="INFREQUENT_ACCESS", deletionProtectionEnabled=True, kmsKeyId=key
    )
    logs.put_retention_policy(logGroupName="/app/a", retentionInDays=7)
    found = logs.describe_log_groups(logGroupIdentifiers=["/app/a"])["logGroups"][0]
    assert found["retentionInDays"] == 7 and found["kmsKeyId"] == key and found["deletionProtectionEnabled"]
    assert found["logGroupClass"] == "INFREQUENT_ACCESS"
    assert found["arn"] == found["logGroupArn"] + ":*" == f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/app/a:*"
    logs.disassociate_kms_key(logGroupName="/app/a")
    logs.associate_kms_key(resourceIdentifier=found["logGroupArn"], kmsKeyId=key)
    logs.delete_retention_policy(logGroupName="/app/a")
    assert "retentionInDays" not in logs.describe_log_groups()["logGroups"][0]
    refused("ValidationException", lambda: logs.delete_log_group(logGroupName="/app/a"))
    logs.put_log_group_deletion_protection(logGroupIdentifier=found["logGroupArn"], deletionProtectionEnabled=False)
    logs.delete_log_group(logGroupName="/app/a")
    refused(
        "ResourceNotFoundException", lambda: logs.delete_log_group(logGroupName="/app/a"), text="The specified log group does not exist."
    )


@check
def log_groups_are_held_to_their_limits(e):
    logs = e.logs
    logs.create_log_group(logGroupName="a")
    refused(
        "ResourceAlreadyExistsException", lambda: logs.create_log_group(logGroupName="a"), text="The specified log group already exists"
    )
    for arguments in [
        {},
        {"logGroupName": ""},
        {"logGroupName": "x" * 513},
        {"logGroupName": "a b"},
        {"logGroupName": "aws/x"},
        {"logGroupName": "b", "logGroupClass": "CHEAP"},
        {"logGroupName": "b", "tags": {}},
        {"logGroupName": "b", "tags": {"aws:x": "y"}},
        {"logGroupName": "b", "tags": {"k!": "y"}},
        {"logGroupName": "b", "kmsKeyId": "alias/k"},
        {"logGroupName": "b", "kmsKeyId": f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/1234"},
        {"logGroupName": "b", "kmsKeyId": f"arn:aws:kms:{REGION}:999999999999:key/1234"},
    ]:
        refused("InvalidParameterException", lambda: logs.create_log_group(**arguments))
    for days in [0, 2, 8, 3650, -1]:
        refused(
            "InvalidParameterException", lambda: logs.put_retention_policy(logGroupName="a", retentionInDays=days), text="enum value set"
        )
    refused("ResourceNotFoundException", lambda: logs.put_retention_policy(logGroupName="b", retentionInDays=7))
    refused("SerializationException", lambda: logs.put_retention_policy(logGroupName="a", retentionInDays="7"))
    refused("InvalidParameterException", lambda: logs.associate_kms_key(kmsKeyId=f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1"))


@check
def describing_filters_sorts_and_pages(e):
    logs = e.logs
    names = [f"/app/{number:03}" for number in range(120)]
    for name in reversed(names):
        logs.create_log_group(logGroupName=name)
    logs.create_log_group(logGroupName="/other", logGroupClass="INFREQUENT_ACCESS")
    pages = list(logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix="/app/"))
    assert [len(page["logGroups"]) for page in pages] == [50, 50, 20]
    assert [group["logGroupName"] for page in pages for group in page["logGroups"]] == names
    by_pattern = logs.describe_log_groups(logGroupNamePattern="pp/00", limit=3)["logGroups"]
    assert [set(group) for group in by_pattern] == [{"arn", "creationTime", "logGroupName"}] * 3
    assert [group["logGroupName"] for group in logs.describe_log_groups(logGroupClass="ESSENTIALS")["logGroups"]] == ["/other"]
    fifty = logs.describe_log_groups(logGroupIdentifiers=[*names[:49], "/absent"])["logGroups"]
    assert [group["logGroupName"] for group in fifty] == names[:49]
    token = pages[0]["nextToken"]
    for arguments in [
        {"logGroupNamePrefix": "/a", "logGroupNamePattern": "a"},
        {"logGroupIdentifiers": ["a"], "logGroupNamePrefix": "/a"},
        {"logGroupIdentifiers": ["a"], "logGroupClass": "STANDARD"},
        {"logGroupIdentifiers": names[:51]},
        {"logGroupIdentifiers": [f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/app/001"]},
        {"limit": 51},
        {"limit": 0},
        {"nextToken": "made-up"},
        {"nextToken": token},
        {"logGroupNamePrefix": "/other", "nextToken": token},
    ]:
        refused("InvalidParameterException", lambda: logs.describe_log_groups(**arguments))


@check
def listing_finds_groups_by_tags(e):
    logs = e.logs
    for name, tags in [
        ("app-one", {"team": "Blue", "env": "prod-1"}),
        ("app-two", {"team": "red", "env": "test"}),
        ("web-three", {"env": "prod-2"}),
    ]:
        logs.create_log_group(logGroupName=name, tags=tags)

    def found(*filters, **arguments):
        if filters:
            arguments["logGroupTags"] = list(filters)
        return [group["logGroupName"] for group in logs.list_log_groups(**arguments)["logGroups"]]

    assert found() == ["app-one", "app-two", "web-three"]
    assert found({"key": "team"}) == ["app-one", "app-two"]
    assert found({"key": "team", "values": ["blue"]}) == []
    assert found({"key": "team", "values": ["bl*"]}) == ["app-one"]
    assert found({"key": "env", "values": ["prod*"]}) == ["app-one", "web-three"]
    assert found({"key": "env", "values": ["!prod*"]}) == ["app-two"]
    assert found({"key": "env", "values": ["prod-1", "test"]}) == ["app-one", "app-two"]
    assert found({"key": "team"}, {"key": "env", "values": ["test"]}) == ["app-two"]
    assert found(logGroupNamePattern="^app|three") == ["app-one", "app-two", "web-three"]
    assert found(logGroupNamePattern="^one|thr") == ["web-three"]
    assert len(logs.list_log_groups(limit=2)["logGroups"]) == 2
    refused("InvalidParameterException", lambda: found(logGroupNamePattern="ap"))
    refused("InvalidParameterException", lambda: found(*[{"key": str(n)} for n in range(6)]))


@check
def log_group_tags_go_by_arn_and_by_name(e):
    logs = e.logs
    logs.create_log_group(logGroupName="a", tags={"a": "1"})
    arn = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:a"
    logs.tag_resource(resourceArn=arn, tags={"b": "2"})
    logs.tag_log_group(logGroupName="a", tags={"c": "3"})
    logs.untag_resource(resourceArn=arn, tagKeys=["a"])
    logs.untag_log_group(logGroupName="a", tags=["c"])
    assert logs.list_tags_for_resource(resourceArn=arn)["tags"] == {"b": "2"} == logs.list_tags_log_group(logGroupName="a")["tags"]
    refused("InvalidParameterException", lambda: logs.list_tags_for_resource(resourceArn=arn + ":*"))
    refused("ResourceNotFoundException", lambda: logs.list_tags_for_resource(resourceArn=arn + "b"))
    refused("TooManyTagsException", lambda: logs.tag_resource(resourceArn=arn, tags={f"k{n}": "v" for n in range(50)}))


# CloudWatch Logs: policies and filters


@check
def an_account_policy_overrides_retention(e):
    logs = e.logs
    logs.create_log_group(logGroupName="/app/a")
    logs.put_retention_policy(logGroupName="/app/a", retentionInDays=7)

    def policy(name, days, mode="RETROACTIVE", **arguments):
        document = json.dumps({"retentionInDays": days, "enforcementMode": mode})
        return logs.put_account_policy(policyName=name, policyType="RETENTION_POLICY", policyDocument=document, **arguments)

    def retention():
        group = logs.describe_log_groups()["logGroups"][0]
        return group.get("retentionInDays"), group.get("retentionPolicyName")

    preview = policy("short", 30, dryRun=True)["dryRunResult"]
    assert preview["increasedRetentionLogGroupCount"] == 1 and retention() == (7, None)
    policy("short", 30)
    assert retention() == (30, "short")
    logs.put_retention_policy(logGroupName="/app/a", retentionInDays=14)
    assert retention() == (30, "short")
    policy("long", 90, selectionCriteria='LogGroupNamePrefix IN ["/app/"]')
    assert retention() == (90, "long")
    policy("other", 365, selectionCriteria='LogGroupNamePrefix IN ["/web/"]')
    policy("new", 365, mode="NEW_ONLY")
    assert retention() == (90, "long")
    policy("never", "NEVER_EXPIRE")
    assert retention() == (None, "never")
    for name in ["never", "long", "short", "other", "new"]:
        logs.delete_account_policy(policyName=name, policyType="RETENTION_POLICY")
    assert retention() == (14, None)
    for days in [7, 31, "FOREVER"]:
        refused("InvalidParameterException", lambda: policy("bad", days))
    refused("InvalidParameterException", lambda: policy("bad", 30, mode="SOMETIMES"))
    refused("InvalidParameterException", lambda: policy("bad", 30, selectionCriteria='LogGroupName NOT IN ["a"]'))
    refused("InvalidParameterException", lambda: policy("aws/bad", 30))
    for number in range(20):
        policy(f"p{number}", 30)
    refused("LimitExceededException", lambda: policy("p20", 30))
    assert len(logs.describe_account_policies(policyType="RETENTION_POLICY")["accountPolicies"]) == 20
    refused("ResourceNotFoundException", lambda: logs.describe_account_policies(policyType="RETENTION_POLICY", policyName="none"))
    refused("ResourceNotFoundException", lambda: logs.delete_account_policy(policyType="RETENTION_POLICY", policyName="none"))


@check
def metric_filters_are_listed(e):
    logs = e.logs
    logs.create_log_group(logGroupName="a")
    transformation = {"metricName": "errors", "metricNamespace": "app", "metricValue": "1"}
    logs.put_metric_filter(logGroupName="a", filterName="f", filterPattern="ERROR", metricTransformations=[transformation])
    found = logs.describe_metric_filters(metricName="errors", metricNamespace="app")["metricFilters"]
    assert found[0]["metricTransformations"] == [transformation] and found[0]["logGroupName"] == "a"
    assert logs.describe_log_groups()["logGroups"][0]["metricFilterCount"] == 1
    assert logs.describe_subscription_filters(logGroupName="a")["subscriptionFilters"] == []
    refused("InvalidParameterException", lambda: logs.describe_metric_filters(metricName="errors"))
    refused(
        "InvalidParameterException",
        lambda: logs.put_metric_filter(logGroupName="a", filterName="f", filterPattern="", metricTransformations=[]),
    )
    logs.delete_metric_filter(logGroupName="a", filterName="f")
    refused("ResourceNotFoundException", lambda: logs.delete_metric_filter(logGroupName="a", filterName="f"))
