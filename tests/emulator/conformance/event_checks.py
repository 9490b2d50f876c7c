"""CloudWatch Logs: streams and events."""

import time

from support import check, refused

# CloudWatch Logs: events


@check
def events_are_put_read_and_filtered(e):
    logs = e.logs
    logs.create_log_group(logGroupName="a")
    for stream in ["one", "two"]:
        logs.create_log_stream(logGroupName="a", logStreamName=stream)
    now = int(time.time() * 1000)
    for stream in ["one", "two"]:
        events = [{"timestamp": now + number, "message": f"{stream} {number} {'ERROR' if number % 2 else 'fine'}"} for number in range(10)]
        answer = logs.put_log_events(logGroupName="a", logStreamName=stream, logEvents=events, sequenceToken="ignored")
        assert "rejectedLogEventsInfo" not in answer
    first = logs.get_log_events(logGroupName="a", logStreamName="one", limit=4, startFromHead=True)
    assert [event["message"].split()[1] for event in first["events"]] == ["0", "1", "2", "3"]
    second = logs.get_log_events(logGroupName="a", logStreamName="one", limit=100, nextToken=first["nextForwardToken"])
    assert [event["message"].split()[1] for event in second["events"]] == ["4", "5", "6", "7", "8", "9"]
    end = logs.get_log_events(logGroupName="a", logStreamName="one", nextToken=second["nextForwardToken"])
    assert end["events"] == [] and end["nextForwardToken"] == second["nextForwardToken"]
    back = logs.get_log_events(logGroupName="a", logStreamName="one", limit=2, nextToken=second["nextBackwardToken"])
    assert [event["message"].split()[1] for event in back["events"]] == ["2", "3"]
    last = logs.get_log_events(logGroupIdentifier="a", logStreamName="one", limit=3)
    assert [event["message"].split()[1] for event in last["events"]] == ["7", "8", "9"]
    pages = list(
        logs.get_paginator("filter_log_events").paginate(logGroupName="a", filterPattern="ERROR", PaginationConfig={"PageSize": 4})
    )
    messages = [event["message"] for page in pages for event in page["events"]]
    assert len(messages) == 10 and all("ERROR" in message for message in messages), messages
    assert [len(page["events"]) for page in pages] == [4, 4, 2]
    newest = logs.filter_log_events(logGroupName="a", startTime=now, startFromHead=False, limit=1)["events"][0]
    assert newest["timestamp"] == now + 9
    for arguments in [
        {"logGroupName": "a", "logGroupIdentifier": "a"},
        {},
        {"logGroupName": "a", "logStreamNames": ["one"], "logStreamNamePrefix": "o"},
        {"logGroupName": "a", "filterPattern": "{ $.a"},
        {"logGroupName": "a", "nextToken": "x"},
        {"logGroupName": "a", "startFromHead": False},
    ]:
        refused("InvalidParameterException", lambda: logs.filter_log_events(**arguments))
    refused(
        "InvalidParameterException", lambda: logs.get_log_events(logGroupName="a", logStreamName="one", nextToken="f/1"), text="nextToken"
    )
    refused("ResourceNotFoundException", lambda: logs.get_log_events(logGroupName="a", logStreamName="three"))


@check
def batches_are_held_to_their_rules(e):
    logs = e.logs
    logs.create_log_group(logGroupName="a")
    logs.create_log_stream(logGroupName="a", logStreamName="s")
    now = int(time.time() * 1000)
    hour, day = 3_600_000, 86_400_000

    def put(*events):
        return logs.put_log_events(
            logGroupName="a", logStreamName="s", logEvents=[{"timestamp": when, "message": text} for when, text in events]
        )

    refused("InvalidParameterException", lambda: put((now + 1, "b"), (now, "a")), text="chronological order")
    refused("InvalidParameterException", lambda: put((now - 25 * hour, "a"), (now, "b")), text="24 hours")
    refused("InvalidParameterException", lambda: put((now, "")))
    refused("InvalidParameterException", lambda: put())
    refused("InvalidParameterException", lambda: put((now, "x" * 1_048_577)), text="Log event too large")
    refused("InvalidParameterException", lambda: put((now, "x" * 600_000), (now, "x" * 600_000)), text="Upload too large")
    refused("InvalidParameterException", lambda: put((now, "x" * 1_048_551)), text="Upload too large")
    put((now, "x" * 1_048_550))
    refused("InvalidParameterException", lambda: put(*[(now, "x")] * 10_001))
    answer = put((now - 15 * day, "old"), (now, "good"), (now + 3 * hour, "new"))
    assert answer["rejectedLogEventsInfo"] == {"tooOldLogEventEndIndex": 1, "tooNewLogEventStartIndex": 2}, answer
    logs.put_retention_policy(logGroupName="a", retentionInDays=1)
    answer = put((now - 2 * day, "expired"), (now, "good"))
    assert answer["rejectedLogEventsInfo"] == {"expiredLogEventEndIndex": 1}, answer
    refused(
        "ResourceNotFoundException",
        lambda: logs.put_log_events(logGroupName="a", logStreamName="t", logEvents=[{"timestamp": now, "message": "m"}]),
    )
    e.control("PUT", "clock", {"advance": "P2D"})
    assert logs.get_log_events(logGroupName="a", logStreamName="s")["events"] == []


@check
def streams_are_listed_by_name_and_by_time(e):
    logs = e.logs
    logs.create_log_group(logGroupName="a")
    for name in ["b", "a", "c"]:
        logs.create_log_stream(logGroupName="a", logStreamName=name)
    now = int(time.time() * 1000)
    for offset, name in enumerate(["c", "a"]):
        logs.put_log_events(logGroupName="a", logStreamName=name, logEvents=[{"timestamp": now + offset, "message": "m"}])

    def names(**arguments):
        pages = logs.get_paginator("describe_log_streams").paginate(logGroupName="a", **arguments)
        return [stream["logStreamName"] for page in pages for stream in page["logStreams"]]

    assert names() == ["a", "b", "c"]
    assert names(descending=True, PaginationConfig={"PageSize": 1}) == ["c", "b", "a"]
    assert names(orderBy="LastEventTime", descending=True, PaginationConfig={"PageSize": 2}) == ["a", "c", "b"]
    assert names(logStreamNamePrefix="b") == ["b"]
    refused("InvalidParameterException", lambda: names(orderBy="LastEventTime", logStreamNamePrefix="b"))
    refused("InvalidParameterException", lambda: logs.create_log_stream(logGroupName="a", logStreamName="a:b"))
    refused("InvalidParameterException", lambda: logs.create_log_stream(logGroupName="a", logStreamName="a*"))
    refused("ResourceAlreadyExistsException", lambda: logs.create_log_stream(logGroupName="a", logStreamName="a"))
    logs.delete_log_stream(logGroupName="a", logStreamName="a")
    assert names() == ["b", "c"]
