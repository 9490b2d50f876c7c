"""A client of the emulator, and the checks of answers that every family shares."""

import json
import urllib.request

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

REGION = "us-east-1"
ACCOUNT = "123456789012"
CHECKS = []
CALLED = set()
JSON_TYPES = {
    "string": str,
    "boolean": bool,
    "integer": int,
    "long": int,
    "double": (int, float),
    "timestamp": (int, float),
    "structure": dict,
    "map": dict,
    "list": list,
}


def check(function):
    """Registers a check; its name is the sentence that is printed."""
    CHECKS.append(function)
    return function


def compare(shape, value, where):
    """Whether a JSON value is what an output shape says."""
    expected = JSON_TYPES[shape.type_name]
    assert isinstance(value, expected), f"{where}: {value!r} is not a {shape.type_name}"
    assert not (isinstance(value, bool) and shape.type_name != "boolean"), f"{where}: a boolean"
    if shape.type_name == "structure":
        unknown = set(value) - set(shape.members)
        assert not unknown, f"{where}: no such member {sorted(unknown)}"
        missing = set(shape.required_members) - set(value)
        assert not missing, f"{where}: lacks {sorted(missing)}"
        for name, member in value.items():
            compare(shape.members[name], member, f"{where}.{name}")
    elif shape.type_name == "list":
        for index, member in enumerate(value):
            compare(shape.member, member, f"{where}[{index}]")
    elif shape.type_name == "map":
        for key, member in value.items():
            compare(shape.value, member, f"{where}[{key}]")
    elif getattr(shape, "enum", None):
        assert value in shape.enum, f"{where}: {value!r} is none of {shape.enum}"


def inspect(http_response, parsed, model, **_):
    """Runs after every call: records the operation and checks a JSON answer's form."""
    service = model.service_model.service_name
    CALLED.add((service, model.name))
    if service == "sts" or http_response.status_code >= 300:
        return
    body = http_response.content
    if model.output_shape is None:
        assert body == b"", f"{model.name} answers nothing, not {body!r}"
    else:
        compare(model.output_shape, json.loads(body), model.name)


class Emulator:
    def __init__(self, endpoint):
        self.endpoint = endpoint.rstrip("/")

    def control(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.endpoint}/_control/{path}", data=data, method=method)
        with urllib.request.urlopen(request, timeout=10) as response:
            return json.loads(response.read())

    def fresh(self):
        self.control("POST", "reset")
        self.control("PUT", "limits", {"*": {"tps": 100000, "burst": 100000}, "tagDelayMs": 0})

    def client(self, service, key="AKIAIOSFODNN7EXAMPLE", token=None, region=REGION):
        client = boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name=region,
            aws_access_key_id=key,
            aws_secret_access_key="secret",
            aws_session_token=token,
            config=Config(retries={"total_max_attempts": 1}, parameter_validation=False, read_timeout=10),
        )
        client.meta.events.register("after-call.*.*", inspect)
        return client

    @property
    def xray(self):
        return self.client("xray")

    @property
    def logs(self):
        return self.client("logs")

    @property
    def sts(self):
        return self.client("sts")


def refused(code, call, status=400, text=""):
    """Asserts that a call is refused with this code, status and part of the message."""
    try:
        answer = call()
    except ClientError as error:
        found = error.response["Error"]
        assert found["Code"] == code, f"{found} is not {code}"
        assert text in found["Message"], f"{text!r} is not in {found['Message']!r}"
        assert error.response["ResponseMetadata"]["HTTPStatusCode"] == status, error.response["ResponseMetadata"]
        return
    raise AssertionError(f"not refused: {answer}")
