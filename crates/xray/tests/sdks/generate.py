"""Writes cases.json and answers.json: what the samplers of others say about random patterns, rules and requests.

The tests in ../sdk_answers.rs replay them. To write them anew, after an upgrade of the versions below, in this folder:

    python3 -m venv venv
    venv/bin/pip install aws-xray-sdk==2.15.0 opentelemetry-sdk==1.45.2
    venv/bin/pip install --no-deps aws-opentelemetry-distro==0.21.0
    npm install --prefix venv aws-xray-sdk-core@3.12.0
    NODE_PATH=venv/node_modules venv/bin/python generate.py

`*` and `?` are in patterns only: in a text, the X-Ray SDK for Python takes a `*` for the pattern's own.
"""

import json
import random
import subprocess
from pathlib import Path

from amazon.opentelemetry.distro.sampler._clock import _Clock
from amazon.opentelemetry.distro.sampler._matcher import _Matcher
from amazon.opentelemetry.distro.sampler._sampling_rule import _SamplingRule
from amazon.opentelemetry.distro.sampler._sampling_rule_applier import _SamplingRuleApplier
from aws_xray_sdk.core.sampling.connector import ServiceConnector
from aws_xray_sdk.core.sampling.rule_cache import RuleCache
from aws_xray_sdk.core.utils.search_pattern import wildcard_match
from opentelemetry.sdk.resources import Resource

HERE = Path(__file__).parent
LETTERS = "abAB/.-é"
SERVICES = ["backend-flask", "Backend-Flask", "auth", "b"]
HOSTS = ["example.com", "api.example.com", "EXAMPLE.com"]
METHODS = ["GET", "get", "POST"]
PATHS = ["/", "/api/home", "/API/home", "/api/activities/home", "/health"]
TYPES = {"aws_eks": "AWS::EKS::Container", "aws_ecs": "AWS::ECS::Container", "": ""}
ARNS = ["arn:aws:ecs:us-east-1:1:container/a", "arn:aws:ecs:us-east-1:1:container/b", ""]


def wildcard(chance):
    """A pattern, and a text that was made from it and often still matches."""
    pattern = "".join(chance.choice(LETTERS + "*?*?") for _ in range(chance.randrange(9)))
    text = ""
    for letter in pattern:
        if letter == "*":
            text += "".join(chance.choice(LETTERS) for _ in range(chance.randrange(4)))
        elif letter == "?":
            text += chance.choice(LETTERS)
        else:
            text += chance.choice([letter, letter, letter.swapcase()])
    if chance.random() < 0.4:
        at = chance.randrange(len(text) + 1)
        text = text[:at] + chance.choice(["", chance.choice(LETTERS)]) + text[at + chance.randrange(2) :]
    return [pattern, text]


def pattern_of(chance, values):
    value = chance.choice(values)
    at = chance.randrange(len(value) + 1)
    return chance.choice(["*", "*", value, value[:at] + "*", "*" + value[at:], value[:at] + "?" + value[at + 1 :], "**", ""])


def rule(chance, name):
    odd = chance.random()
    return {
        "RuleName": name,
        "Priority": chance.randrange(1, 4),
        "FixedRate": 0.1,
        "ReservoirSize": 1,
        "ServiceName": pattern_of(chance, SERVICES),
        "ServiceType": chance.choice(["*", "*", pattern_of(chance, list(TYPES.values()))]),
        "Host": chance.choice(["*", pattern_of(chance, HOSTS)]),
        "HTTPMethod": chance.choice(["*", pattern_of(chance, METHODS)]),
        "URLPath": chance.choice(["*", pattern_of(chance, PATHS)]),
        "ResourceARN": pattern_of(chance, ARNS) if odd < 0.2 else "*",
        "Attributes": {"team": pattern_of(chance, ["one", "two"])} if 0.2 <= odd < 0.4 else {},
        "Version": 2 if odd > 0.95 else 1,
    }


def rule_set(chance):
    names = chance.sample(["a", "B", "b", "Z", "rule", "é"], chance.randrange(1, 6))
    default = {**rule(chance, "Default"), "Priority": 10000, "ResourceARN": "*", "Attributes": {}, "Version": 1}
    default.update({field: "*" for field in ["ServiceName", "ServiceType", "Host", "HTTPMethod", "URLPath"]})
    rules = [rule(chance, name) for name in names] + [default]
    chance.shuffle(rules)
    requests = [
        {
            "service": chance.choice(SERVICES),
            "platform": chance.choice(list(TYPES)),
            "host": chance.choice([*HOSTS, None]),
            "method": chance.choice([*METHODS, None]),
            "path": chance.choice(PATHS),
            "arn": chance.choice(ARNS),
            "attributes": chance.choice([{}, {"team": "one"}, {"team": "two", "x": "y"}]),
        }
        for _ in range(12)
    ]
    for request in requests:
        request["service_type"] = TYPES[request.pop("platform")]
    return {"rules": rules, "requests": requests}


class Records:
    """Stands for the X-Ray client of the SDK's connector."""

    def __init__(self, rules):
        self.rules = rules

    def get_sampling_rules(self):
        return {"SamplingRuleRecords": [{"SamplingRule": rule} for rule in self.rules]}


def xray_sdk(cases):
    def matched(rules, requests):
        connector = ServiceConnector()
        connector.setup_xray_client(None, None, Records(rules))
        cache = RuleCache()
        cache.load_rules(connector.fetch_sampling_rules())
        cache.last_updated = 1
        return [cache.get_matched_rule(request, 1).name for request in requests]

    return {
        "wildcards": [wildcard_match(pattern, text) for pattern, text in cases["wildcards"]],
        "rules": [matched(**case) for case in cases["rules"]],
    }


def opentelemetry(cases):
    platforms = {kind: platform for platform, kind in TYPES.items()}

    def matched(rules, requests):
        known = sorted(rule for rule in (_SamplingRule(**rule) for rule in rules) if rule.Version == 1)
        appliers = [_SamplingRuleApplier(rule, "", "", _Clock()) for rule in known]
        names = []
        for request in requests:
            resource = {"service.name": request["service"]}
            if request["service_type"]:
                resource["cloud.platform"] = platforms[request["service_type"]]
            if request["arn"]:
                resource["aws.ecs.container.arn"] = request["arn"]
            attributes = {"url.path": request["path"], **request["attributes"]}
            if request["host"]:
                attributes["server.address"] = request["host"]
            if request["method"]:
                attributes["http.request.method"] = request["method"]
            first = (applier for applier in appliers if applier.matches(Resource(resource), attributes))
            names.append(next(first).sampling_rule.RuleName)
        return names

    return {
        "wildcards": [_Matcher.wild_card_match(text, pattern) for pattern, text in cases["wildcards"]],
        "rules": [matched(**case) for case in cases["rules"]],
    }


def lines(value):
    """JSON with an element a line, so that a change of one shows as that."""
    parts = (f"{json.dumps(key)}: [\n" + ",\n".join(json.dumps(item) for item in items) + "\n]" for key, items in value.items())
    return "{" + ",\n".join(parts) + "}\n"


if __name__ == "__main__":
    chance = random.Random(20261127)
    cases = {"wildcards": [wildcard(chance) for _ in range(1000)], "rules": [rule_set(chance) for _ in range(30)]}
    (HERE / "cases.json").write_text(lines(cases))
    javascript = subprocess.run(
        ["node", HERE / "javascript.cjs", HERE / "cases.json"], check=True, capture_output=True, text=True
    )
    answers = {
        "X-Ray SDK for Python": xray_sdk(cases),
        "X-Ray SDK for Node.js": json.loads(javascript.stdout),
        "OpenTelemetry sampler for Python": opentelemetry(cases),
    }
    for answer in answers.values():
        answer["wildcards"] = "".join("01"[matches] for matches in answer["wildcards"])
    (HERE / "answers.json").write_text(json.dumps(answers, indent=1) + "\n")
    for name, answer in answers.items():
        print(name, answer["wildcards"].count("1"), "of", len(cases["wildcards"]), "match")
