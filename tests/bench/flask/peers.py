"""Checks that callers with the X-Ray SDK and with the OpenTelemetry SDK are continued by the activities service.

    OTEL_TRACES_EXPORTER=console AWS_XRAY_DAEMON_ADDRESS=127.0.0.1:2000 LISTEN_ADDRESS=127.0.0.1:4567 activities >spans &
    python peers.py http://127.0.0.1:4567 spans
"""

import json
import os
import socket
import sys
import time

URL, SPANS = sys.argv[1] + "/api/activities/home", sys.argv[2]

segments = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
segments.bind(("127.0.0.1", 0))
segments.settimeout(10)
os.environ["AWS_XRAY_DAEMON_ADDRESS"] = "127.0.0.1:%d" % segments.getsockname()[1]

import requests  # noqa: E402
from aws_xray_sdk.core import patch, xray_recorder  # noqa: E402
from opentelemetry import trace  # noqa: E402
from opentelemetry.instrumentation.requests import RequestsInstrumentor  # noqa: E402
from opentelemetry.sdk.trace import TracerProvider  # noqa: E402


def served(trace_id):
    """The service's spans of a trace: the request's, and what is below it."""
    for _ in range(100):
        with open(SPANS) as lines:
            spans = [json.loads(line) for line in lines if line.endswith("\n")]
        spans = [span for span in spans if span["context"]["trace_id"] == trace_id]
        if len(spans) == 2:
            return sorted(spans, key=lambda span: span["kind"] != "SpanKind.SERVER")
        time.sleep(0.1)
    raise SystemExit(f"trace {trace_id} has not arrived")


def check(trace_id, parent, answer):
    request, below = served(trace_id)
    assert request["parent_id"] == parent, (request, parent)
    assert below["parent_id"] == request["context"]["span_id"]
    assert answer == f"Root=1-{trace_id[:8]}-{trace_id[8:]}", answer


xray_recorder.configure(service="caller", sampling=False)
patch(["requests"])
with xray_recorder.in_segment("caller") as segment:
    answer = requests.get(URL).headers["x-amzn-trace-id"]
document = json.loads(segments.recv(70_000).split(b"\n", 1)[1])
check(segment.trace_id[2:].replace("-", ""), document["subsegments"][0]["id"], answer)

# The X-Ray SDK's patch stays, and without a segment of its own it does nothing but complain.
xray_recorder.configure(context_missing="IGNORE_ERROR")
trace.set_tracer_provider(TracerProvider())
RequestsInstrumentor().instrument()
with trace.get_tracer("caller").start_as_current_span("caller"):
    response = requests.get(URL)
_, trace_id, parent, _ = response.request.headers["traceparent"].split("-")
check(trace_id, parent, response.headers["x-amzn-trace-id"])
print("both callers are continued")
