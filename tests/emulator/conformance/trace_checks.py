"""X-Ray: traces."""

import json
import time
from datetime import datetime, timezone

from support import check, refused

# X-Ray: traces


def segments(trace, now):
    front = {
        "name": "backend-flask",
        "id": "1111111111111111",
        "trace_id": trace,
        "start_time": now - 2,
        "end_time": now - 1,
        "http": {"request": {"url": "http://x/api", "method": "GET"}, "response": {"status": 200}},
        "annotations": {"table": "activities", "count": 3, "cached": False},
        "user": "ada",
        "subsegments": [
            {"name": "auth", "id": "2222222222222222", "start_time": now - 2, "end_time": now - 1.9, "namespace": "remote"},
            {"name": "db", "id": "3333333333333333", "start_time": now - 1.9, "end_time": now - 1.5, "namespace": "remote", "sql": {}},
        ],
    }
    auth = {
        "name": "auth",
        "id": "4444444444444444",
        "trace_id": trace,
        "parent_id": "2222222222222222",
        "start_time": now - 2,
        "end_time": now - 1.9,
        "fault": True,
    }
    alone = {
        "name": "late",
        "type": "subsegment",
        "id": "5555555555555555",
        "trace_id": trace,
        "parent_id": "1111111111111111",
        "start_time": now - 1.5,
        "end_time": now - 1.2,
    }
    return [json.dumps(document) for document in (front, auth, alone)]


@check
def a_trace_that_was_sent_is_found_again(e):
    x = e.xray
    now = time.time()
    trace = f"1-{int(now):08x}-{'ab' * 12}"
    assert x.put_trace_segments(TraceSegmentDocuments=segments(trace, now))["UnprocessedTraceSegments"] == []
    found = x.batch_get_traces(TraceIds=[trace, "1-00000000-" + "0" * 24])
    documents = {segment["Id"]: json.loads(segment["Document"]) for segment in found["Traces"][0]["Segments"]}
    assert set(documents) == {"1111111111111111", "4444444444444444"}, documents
    assert [part["name"] for part in documents["1111111111111111"]["subsegments"]] == ["auth", "db", "late"]
    assert found["UnprocessedTraceIds"] == ["1-00000000-" + "0" * 24]
    window = {"StartTime": now - 60, "EndTime": now + 60}
    for expression, expected in [
        ('service("backend-flask")', 1),
        ('service("auth") { fault }', 1),
        ('service("backend-flask") { fault }', 0),
        ("ok", 1),
        ("fault", 0),
        ('edge("backend-flask", "auth")', 1),
        ('edge("auth", "backend-flask")', 0),
        ('service(id(name: "db", type: "Database::SQL"))', 1),
        ('annotation.table = "activities" AND annotation.count > 2 AND !annotation.cached', 1),
        ('annotation.table = "others"', 0),
        ('user = "ada" AND http.url CONTAINS "/api" AND http.status = 200', 1),
        ("responsetime > 5", 0),
        ('group.name = "Cruddur"', 0),
    ]:
        summaries = x.get_trace_summaries(FilterExpression=expression, **window)["TraceSummaries"]
        assert len(summaries) == expected, (expression, summaries)
    x.create_group(GroupName="Cruddur", FilterExpression='service("backend-flask")')
    assert (
        x.get_trace_summaries(FilterExpression='group.name = "Cruddur"', **window)["TraceSummaries"][0]["EntryPoint"]["Name"]
        == "backend-flask"
    )
    for graph in [x.get_service_graph(GroupName="Cruddur", **window), x.get_trace_graph(TraceIds=[trace])]:
        services = {(service["Name"], service.get("Type")): service for service in graph["Services"]}
        assert set(services) == {("backend-flask", None), ("auth", None), ("db", "Database::SQL"), ("backend-flask", "client")}, services
        front = services[("backend-flask", None)]
        assert front["Root"] and front["SummaryStatistics"]["OkCount"] == 1
        callees = {edge["ReferenceId"] for edge in front["Edges"]}
        assert callees == {services[("auth", None)]["ReferenceId"], services[("db", "Database::SQL")]["ReferenceId"]}
        assert services[("auth", None)]["SummaryStatistics"]["FaultStatistics"]["TotalCount"] == 1
    refused("InvalidRequestException", lambda: x.get_trace_summaries(FilterExpression="service(", **window))
    refused("InvalidRequestException", lambda: x.get_trace_summaries(StartTime=now, EndTime=now - 1))
    refused("InvalidRequestException", lambda: x.get_service_graph(StartTime=now - 30 * 3600, EndTime=now))


@check
def bad_segments_come_back_unprocessed(e):
    x = e.xray
    good = {"name": "n", "id": "1" * 16, "trace_id": "1-58406520-" + "a" * 24, "start_time": 1.0, "end_time": 2.0}
    bad = [
        "not json",
        json.dumps({**good, "id": "short"}),
        json.dumps({**good, "trace_id": "1-2-3"}),
        json.dumps({**good, "name": ""}),
        json.dumps({**good, "start_time": None}),
        json.dumps({**good, "end_time": None}),
        json.dumps({**good, "end_time": 0.5}),
        json.dumps({**good, "type": "subsegment"}),
        json.dumps({**good, "metadata": {"default": {"x": "y" * 65536}}}),
    ]
    answer = x.put_trace_segments(TraceSegmentDocuments=[*bad, json.dumps(good)])
    assert len(answer["UnprocessedTraceSegments"]) == len(bad), answer
    assert all(item["ErrorCode"] and item["Message"] for item in answer["UnprocessedTraceSegments"])
    x.put_telemetry_records(TelemetryRecords=[{"Timestamp": datetime.now(timezone.utc), "SegmentsSentCount": 3}], Hostname="h")
    refused("InvalidRequestException", lambda: x.put_telemetry_records(TelemetryRecords=[{}]))
