"""Writes xray.json, logs.json and sts.json: what botocore's service models say about the emulated operations.

Run it after an upgrade of the botocore pinned in conformance/requirements.txt, from this folder: python extract.py
Kept of a model: operation names, request URIs, error lists, and of every input and output shape its type, members,
required members, lengths, ranges, patterns and enumerations.
"""

import json
from pathlib import Path

from botocore.loaders import Loader

OPERATIONS = {
    "xray": [
        "BatchGetTraces",
        "CreateGroup",
        "CreateSamplingRule",
        "DeleteGroup",
        "DeleteResourcePolicy",
        "DeleteSamplingRule",
        "GetEncryptionConfig",
        "GetGroup",
        "GetGroups",
        "GetIndexingRules",
        "GetSamplingRules",
        "GetSamplingStatisticSummaries",
        "GetSamplingTargets",
        "GetServiceGraph",
        "GetTraceGraph",
        "GetTraceSegmentDestination",
        "GetTraceSummaries",
        "ListResourcePolicies",
        "ListTagsForResource",
        "PutEncryptionConfig",
        "PutResourcePolicy",
        "PutTelemetryRecords",
        "PutTraceSegments",
        "TagResource",
        "UntagResource",
        "UpdateGroup",
        "UpdateIndexingRule",
        "UpdateSamplingRule",
        "UpdateTraceSegmentDestination",
    ],
    "logs": [
        "AssociateKmsKey",
        "CreateLogGroup",
        "CreateLogStream",
        "DeleteAccountPolicy",
        "DeleteLogGroup",
        "DeleteLogStream",
        "DeleteMetricFilter",
        "DeleteRetentionPolicy",
        "DescribeAccountPolicies",
        "DescribeLogGroups",
        "DescribeLogStreams",
        "DescribeMetricFilters",
        "DescribeSubscriptionFilters",
        "DisassociateKmsKey",
        "FilterLogEvents",
        "GetLogEvents",
        "ListLogGroups",
        "ListTagsForResource",
        "ListTagsLogGroup",
        "PutAccountPolicy",
        "PutLogEvents",
        "PutLogGroupDeletionProtection",
        "PutMetricFilter",
        "PutRetentionPolicy",
        "TagLogGroup",
        "TagResource",
        "UntagLogGroup",
        "UntagResource",
    ],
    "sts": ["AssumeRole", "GetCallerIdentity"],
}
CONSTRAINTS = ("min", "max", "pattern", "enum")


def extract(service: str) -> dict:
    model = Loader().load_service_model(service, "service-2")
    shapes: dict[str, dict] = {}

    def keep(name: str) -> None:
        if name in shapes:
            return
        shape = model["shapes"][name]
        kept = shapes[name] = {"type": shape["type"], **{k: shape[k] for k in CONSTRAINTS if k in shape}}
        if shape["type"] == "structure":
            kept["members"] = {member: ref["shape"] for member, ref in shape["members"].items()}
            if shape.get("required"):
                kept["required"] = shape["required"]
            children = kept["members"].values()
        elif shape["type"] == "list":
            kept["member"] = shape["member"]["shape"]
            children = [kept["member"]]
        elif shape["type"] == "map":
            kept["key"], kept["value"] = shape["key"]["shape"], shape["value"]["shape"]
            children = [kept["key"], kept["value"]]
        else:
            children = []
        for child in children:
            keep(child)

    operations = {}
    for name in OPERATIONS[service]:
        operation = model["operations"][name]
        operations[name] = {
            "uri": operation["http"]["requestUri"],
            "input": operation["input"]["shape"],
            "errors": [error["shape"] for error in operation.get("errors", [])],
        }
        keep(operation["input"]["shape"])
        if "output" in operation:
            operations[name]["output"] = operation["output"]["shape"]
            keep(operation["output"]["shape"])
    return {"operations": operations, "shapes": dict(sorted(shapes.items()))}


if __name__ == "__main__":
    for service in OPERATIONS:
        lines = json.dumps(extract(service), indent=1, sort_keys=False)
        Path(__file__).with_name(f"{service}.json").write_text(lines + "\n")
