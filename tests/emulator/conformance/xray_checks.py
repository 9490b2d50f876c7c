"""X-Ray: groups, rules, samplers, tags, account-wide settings."""

import json
from datetime import datetime, timezone

from support import ACCOUNT, REGION, check, refused


def rule(name="Cruddur", **fields):
    return {
        "RuleName": name,
        "ResourceARN": "*",
        "Priority": 9000,
        "FixedRate": 0.1,
        "ReservoirSize": 5,
        "ServiceName": "backend-flask",
        "ServiceType": "*",
        "Host": "*",
        "HTTPMethod": "*",
        "URLPath": "*",
        "Version": 1,
        **fields,
    }


# X-Ray: groups


@check
def a_group_lives_and_dies(e):
    x = e.xray
    made = x.create_group(GroupName="Cruddur", FilterExpression='service("backend-flask")', Tags=[{"Key": "a", "Value": "b"}])["Group"]
    assert made["GroupARN"].startswith(f"arn:aws:xray:{REGION}:{ACCOUNT}:group/Cruddur/"), made
    assert x.get_group(GroupName="Cruddur")["Group"] == made == x.get_group(GroupARN=made["GroupARN"])["Group"]
    changed = x.update_group(GroupARN=made["GroupARN"], InsightsConfiguration={"InsightsEnabled": True, "NotificationsEnabled": True})[
        "Group"
    ]
    assert changed["InsightsConfiguration"] == {"InsightsEnabled": True, "NotificationsEnabled": True}
    assert changed["FilterExpression"] == made["FilterExpression"]
    names = [group["GroupName"] for group in x.get_groups()["Groups"]]
    assert names == ["Cruddur", "Default"], names
    x.delete_group(GroupName="Cruddur")
    refused("InvalidRequestException", lambda: x.get_group(GroupName="Cruddur"), text="Group not found")


@check
def groups_are_refused_with_the_one_error_there_is(e):
    x = e.xray
    x.create_group(GroupName="Cruddur")
    for arguments in [
        {"GroupName": "Cruddur"},
        {"GroupName": "Default"},
        {"GroupName": ""},
        {"GroupName": "x" * 33},
        {"GroupName": "under_score"},
        {"GroupName": "a", "FilterExpression": 'service("open'},
        {"GroupName": "a", "InsightsConfiguration": {"InsightsEnabled": False, "NotificationsEnabled": True}},
        {"GroupName": "a", "Tags": [{"Key": "aws:x", "Value": "y"}]},
        {"GroupName": "a", "Tags": [{"Key": "k"}]},
        {},
    ]:
        refused("InvalidRequestException", lambda: x.create_group(**arguments))
    refused("InvalidRequestException", lambda: x.delete_group(GroupName="Default"))
    refused("InvalidRequestException", lambda: x.delete_group())
    refused("InvalidRequestException", lambda: x.update_group(GroupName="None"))
    refused("SerializationException", lambda: x.create_group(GroupName=5))


@check
def the_twenty_sixth_group_is_one_too_many(e):
    x = e.xray
    for number in range(25):
        x.create_group(GroupName=f"g{number}")
    refused("InvalidRequestException", lambda: x.create_group(GroupName="g25"))


@check
def lists_page_and_refuse_foreign_tokens(e):
    e.control("PUT", "limits", {"xray.pageSize": 10})
    x = e.xray
    for number in range(24):
        x.create_group(GroupName=f"g{number:02}")
    pages = list(x.get_paginator("get_groups").paginate())
    assert [len(page["Groups"]) for page in pages] == [10, 10, 5], pages
    refused("InvalidRequestException", lambda: x.get_groups(NextToken="abc"))
    refused("InvalidRequestException", lambda: x.get_sampling_rules(NextToken=pages[0]["NextToken"]))
    refused("InvalidRequestException", lambda: x.get_groups(NextToken=""))
    e.control("PUT", "limits", {"xray.pageSize": 100})


# X-Ray: rules


@check
def a_rule_lives_and_dies(e):
    x = e.xray
    made = x.create_sampling_rule(SamplingRule=rule(Attributes={"a": "b"}, SamplingRateBoost={"MaxRate": 0.5, "CooldownWindowMinutes": 5}))
    record = made["SamplingRuleRecord"]
    assert record["SamplingRule"]["RuleARN"] == f"arn:aws:xray:{REGION}:{ACCOUNT}:sampling-rule/Cruddur"
    changed = x.update_sampling_rule(SamplingRuleUpdate={"RuleName": "Cruddur", "Priority": 8000, "Attributes": {}})["SamplingRuleRecord"]
    assert changed["SamplingRule"]["Priority"] == 8000
    assert changed["SamplingRule"]["Attributes"] == {}
    assert changed["SamplingRule"]["FixedRate"] == 0.1
    assert changed["SamplingRule"]["SamplingRateBoost"] == {"MaxRate": 0.5, "CooldownWindowMinutes": 5}
    assert changed["CreatedAt"] == record["CreatedAt"]
    names = [record["SamplingRule"]["RuleName"] for record in x.get_sampling_rules()["SamplingRuleRecords"]]
    assert names == ["Cruddur", "Default"], names
    gone = x.delete_sampling_rule(RuleARN=record["SamplingRule"]["RuleARN"])["SamplingRuleRecord"]
    assert gone["SamplingRule"]["RuleName"] == "Cruddur"


@check
def the_default_rule_takes_rate_and_reservoir_only(e):
    x = e.xray
    default = x.get_sampling_rules()["SamplingRuleRecords"][0]
    assert default["CreatedAt"].timestamp() == 0
    assert default["SamplingRule"]["Priority"] == 10000
    changed = x.update_sampling_rule(SamplingRuleUpdate={"RuleName": "Default", "FixedRate": 0.2, "ReservoirSize": 3})
    assert changed["SamplingRuleRecord"]["SamplingRule"]["FixedRate"] == 0.2
    for field in [
        {"Priority": 10000},
        {"Host": "*"},
        {"Attributes": {}},
        {"SamplingRateBoost": {"MaxRate": 1, "CooldownWindowMinutes": 1}},
    ]:
        refused(
            "InvalidRequestException",
            lambda: x.update_sampling_rule(SamplingRuleUpdate={"RuleName": "Default", "FixedRate": 0.05, **field}),
            text="Invalid update request for default sampling rule",
        )
    refused("InvalidRequestException", lambda: x.delete_sampling_rule(RuleName="Default"))


@check
def rules_are_held_to_their_limits(e):
    x = e.xray
    x.create_sampling_rule(SamplingRule=rule())
    for fields in [
        {},
        {"RuleName": "Default"},
        {"RuleName": "x" * 33},
        {"RuleName": "a", "Priority": 0},
        {"RuleName": "a", "Priority": 10000},
        {"RuleName": "a", "FixedRate": 1.1},
        {"RuleName": "a", "FixedRate": -0.1},
        {"RuleName": "a", "ReservoirSize": -1},
        {"RuleName": "a", "Host": "h" * 65},
        {"RuleName": "a", "HTTPMethod": "m" * 11},
        {"RuleName": "a", "URLPath": "p" * 129},
        {"RuleName": "a", "ResourceARN": "r" * 501},
        {"RuleName": "a", "ServiceName": "s" * 65},
        {"RuleName": "a", "ServiceType": "s" * 65},
        {"RuleName": "a", "Version": 2},
        {"RuleName": "a", "Attributes": {str(n): "v" for n in range(6)}},
        {"RuleName": "a", "Attributes": {"k" * 33: "v"}},
        {"RuleName": "a", "Attributes": {"k": ""}},
        {"RuleName": "a", "SamplingRateBoost": {"MaxRate": 2, "CooldownWindowMinutes": 1}},
        {"RuleName": "a", "SamplingRateBoost": {"MaxRate": 1}},
    ]:
        refused("InvalidRequestException", lambda: x.create_sampling_rule(SamplingRule=rule(**fields)))
    for update in [
        {"RuleName": "none", "FixedRate": 0.5},
        {"RuleName": "Cruddur", "Priority": 10000},
        {"RuleName": "Cruddur", "FixedRate": 2},
        {"RuleName": "Cruddur", "ReservoirSize": -1},
        {"FixedRate": 0.5},
    ]:
        refused("InvalidRequestException", lambda: x.update_sampling_rule(SamplingRuleUpdate=update))
    for number in range(24):
        x.create_sampling_rule(SamplingRule=rule(f"r{number}"))
    refused("RuleLimitExceededException", lambda: x.create_sampling_rule(SamplingRule=rule("r25")))


@check
def samplers_get_their_share_and_summaries_tell_of_it(e):
    x = e.xray
    x.create_sampling_rule(SamplingRule=rule(SamplingRateBoost={"MaxRate": 0.5, "CooldownWindowMinutes": 1}))
    now = datetime.now(timezone.utc)
    report = {"Timestamp": now, "RequestCount": 100, "SampledCount": 10, "BorrowCount": 1}
    documents = [{"RuleName": "Cruddur", "ClientID": client * 24, **report} for client in "ab"] + [
        {"RuleName": "none", "ClientID": "c" * 24, **report}
    ]
    boost = {"RuleName": "Cruddur", "ServiceName": "s", "Timestamp": now, "AnomalyCount": 3, "TotalCount": 100, "SampledAnomalyCount": 1}
    x.get_sampling_targets(SamplingStatisticsDocuments=documents)
    answer = x.get_sampling_targets(
        SamplingStatisticsDocuments=documents, SamplingBoostStatisticsDocuments=[boost, {**boost, "RuleName": "none"}]
    )
    targets = answer["SamplingTargetDocuments"]
    assert [target["ReservoirQuota"] for target in targets] == [3, 2], targets
    assert targets[0]["FixedRate"] == 0.1 and targets[0]["Interval"] == 10
    assert targets[0]["SamplingBoost"]["BoostRate"] == 0.5
    assert answer["UnprocessedStatistics"][0]["RuleName"] == "none"
    assert answer["UnprocessedBoostStatistics"][0]["RuleName"] == "none"
    summary = x.get_sampling_statistic_summaries()["SamplingStatisticSummaries"]
    assert sum(window["RequestCount"] for window in summary) == 400, summary
    refused("InvalidRequestException", lambda: x.get_sampling_targets(SamplingStatisticsDocuments=[{**documents[0], "ClientID": "short"}]))
    refused("InvalidRequestException", lambda: x.get_sampling_targets(SamplingStatisticsDocuments=documents * 9))


# X-Ray: tags


@check
def xray_tags_are_kept_by_arn(e):
    x = e.xray
    group = x.create_group(GroupName="a", Tags=[{"Key": "a", "Value": "1"}])["Group"]["GroupARN"]
    x.tag_resource(ResourceARN=group, Tags=[{"Key": "b", "Value": "2"}])
    x.untag_resource(ResourceARN=group, TagKeys=["a", "never"])
    assert x.list_tags_for_resource(ResourceARN=group)["Tags"] == [{"Key": "b", "Value": "2"}]
    refused("ResourceNotFoundException", lambda: x.list_tags_for_resource(ResourceARN=group + "X"), status=404)
    refused("InvalidRequestException", lambda: x.list_tags_for_resource(ResourceARN="arn:aws:xray:us-east-1:999999999999:group/a"))
    many = [{"Key": f"k{number}", "Value": ""} for number in range(50)]
    refused("TooManyTagsException", lambda: x.tag_resource(ResourceARN=group, Tags=many))


# X-Ray: account-wide


@check
def account_settings_of_xray_are_read_and_written(e):
    x = e.xray
    assert x.get_indexing_rules()["IndexingRules"][0]["Name"] == "Default"
    changed = x.update_indexing_rule(Name="Default", Rule={"Probabilistic": {"DesiredSamplingPercentage": 5}})
    assert changed["IndexingRule"]["Rule"]["Probabilistic"]["DesiredSamplingPercentage"] == 5
    refused(
        "ResourceNotFoundException",
        lambda: x.update_indexing_rule(Name="x", Rule={"Probabilistic": {"DesiredSamplingPercentage": 5}}),
        status=404,
    )
    assert x.get_trace_segment_destination()["Destination"] == "XRay"
    assert x.update_trace_segment_destination(Destination="CloudWatchLogs")["Status"] == "PENDING"
    e.control("PUT", "clock", {"advance": "PT1M"})
    assert x.get_trace_segment_destination()["Status"] == "ACTIVE"
    assert x.get_encryption_config()["EncryptionConfig"] == {"Type": "NONE", "Status": "ACTIVE"}
    assert x.put_encryption_config(Type="KMS", KeyId="alias/k")["EncryptionConfig"]["Status"] == "UPDATING"
    refused("InvalidRequestException", lambda: x.put_encryption_config(Type="KMS"))
    refused("InvalidRequestException", lambda: x.put_encryption_config(Type="AES"))


@check
def resource_policies_have_revisions_and_quotas(e):
    x = e.xray
    document = json.dumps({"Version": "2012-10-17", "Statement": []})
    made = x.put_resource_policy(PolicyName="p", PolicyDocument=document, PolicyRevisionId="0")["ResourcePolicy"]
    refused(
        "InvalidPolicyRevisionIdException", lambda: x.put_resource_policy(PolicyName="p", PolicyDocument=document, PolicyRevisionId="0")
    )
    x.put_resource_policy(PolicyName="p", PolicyDocument=document, PolicyRevisionId=made["PolicyRevisionId"])
    refused("MalformedPolicyDocumentException", lambda: x.put_resource_policy(PolicyName="q", PolicyDocument="{"))
    refused("PolicySizeLimitExceededException", lambda: x.put_resource_policy(PolicyName="q", PolicyDocument=document + " " * 6000))
    for number in range(4):
        x.put_resource_policy(PolicyName=f"p{number}", PolicyDocument=document)
    refused("PolicyCountLimitExceededException", lambda: x.put_resource_policy(PolicyName="p5", PolicyDocument=document))
    assert len(x.list_resource_policies()["ResourcePolicies"]) == 5
    x.delete_resource_policy(PolicyName="p")
