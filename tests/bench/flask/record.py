"""Records answers of the original service to the requests that `original-responses.json` leaves out.

    TELEMETRY=off FRONTEND_URL=https://3000-demo.example.test BACKEND_URL=https://4567-demo.example.test \
        python record.py > ../../../backend/tests/further-responses.json
"""

import json

from app import app

FRONT = "https://3000-demo.example.test"
BACK = "https://4567-demo.example.test"
EVIL = "https://evil.example"
UUID = "68f126b0-1ceb-4a33-88be-d90fa7109eee"
JSON = {"content-type": "application/json"}

ACTIVITIES, MESSAGES, REPLY = "/api/activities", "/api/messages", f"/api/activities/{UUID}/reply"
GETS = {
    "home": "/api/activities/home",
    "notifications": "/api/activities/notifications",
    "user": "/api/activities/@andrewbrown",
    "search": "/api/activities/search?term=cloud",
    "show": f"/api/activities/{UUID}",
    "groups": "/api/message_groups",
    "messages": "/api/messages/@worf",
    "rollbar": "/rollbar/test",
}
POSTS = {"create": ACTIVITIES, "message": MESSAGES, "reply": REPLY}


def requests():
    """(name, method, path, headers, body)"""
    for name, path in GETS.items():
        for method in ("GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE", "PATCH", "TRACE"):
            yield f"{name}.{method}", method, path, {}, None
        yield f"{name}.front", "GET", path, {"origin": FRONT}, None
        yield f"{name}.back", "GET", path, {"origin": BACK}, None
        yield f"{name}.evil", "GET", path, {"origin": EVIL}, None
    good = {"message": "hello", "ttl": "1-day", "user_receiver_handle": "worf"}
    for name, path in POSTS.items():
        for method in ("GET", "HEAD", "OPTIONS", "PUT", "DELETE"):
            yield f"{name}.{method}", method, path, {}, None
        for origin in (FRONT, EVIL):
            yield f"{name}.post.{origin}", "POST", path, {**JSON, "origin": origin}, json.dumps(good)
            yield f"{name}.blank.{origin}", "POST", path, {**JSON, "origin": origin}, json.dumps({**good, "message": ""})
            yield f"{name}.text.{origin}", "POST", path, {"content-type": "text/plain", "origin": origin}, "x"
            yield f"{name}.options.{origin}", "OPTIONS", path, {"origin": origin}, None
        for label, content_type in {
            "charset": "application/json; charset=utf-8",
            "upper": "Application/JSON",
            "suffix": "application/vnd.api+json",
            "form": "application/x-www-form-urlencoded",
            "text_json": "text/json",
            "none": None,
        }.items():
            headers = {"content-type": content_type} if content_type else {}
            yield f"{name}.type.{label}", "POST", path, headers, json.dumps(good)
        for label, body in {
            "empty": "",
            "space": " ",
            "array": "[]",
            "text": '"x"',
            "number": "3",
            "null": "null",
            "object": "{}",
            "trailing": json.dumps(good) + " x",
            "mark": "\ufeff" + json.dumps(good),
            "comma": '{"message": "a", "ttl": "1-day", "user_receiver_handle": "w",}',
            "control": '{"message": "a\tb", "ttl": "1-day", "user_receiver_handle": "w"}',
            "long": json.dumps({**good, "pad": "x" * 2_000}),
            "twice": '{"message": "a", "message": "b", "ttl": "1-day", "user_receiver_handle": "worf"}',
        }.items():
            yield f"{name}.body.{label}", "POST", path, JSON, body
        for label, message in {
            "null": None,
            "number": 7,
            "true": True,
            "list": ["a", 1],
            "no_list": [],
            "map": {"b": 1, "a": None},
            "no_map": {},
            "unicode": "é \u2028 \U0001f980 \x7f \x00 \" \\ / \n\t\b\f <b>&'",
            "280": "é" * 280,
            "281": "\U0001f980" * 281,
            "1024": "x" * 1024,
            "1025": "x" * 1025,
        }.items():
            yield f"{name}.message.{label}", "POST", path, JSON, json.dumps({**good, "message": message})
        for missing in good:
            body = {key: value for key, value in good.items() if key != missing}
            yield f"{name}.without.{missing}", "POST", path, JSON, json.dumps(body)
    for ttl in ("30-days", "7-days", "3-days", "1-day", "12-hours", "3-hours", "1-hour", "", "2-days", None, 1, ["1-day"]):
        yield f"create.ttl.{ttl}", "POST", ACTIVITIES, JSON, json.dumps({"message": "x", "ttl": ttl})
    for receiver in ("", None, 1, [], ["x"]):
        body = {"message": "x", "user_receiver_handle": receiver}
        yield f"message.receiver.{receiver}", "POST", MESSAGES, JSON, json.dumps(body)
        yield f"message.both.{receiver}", "POST", MESSAGES, JSON, json.dumps({**body, "message": ""})
    for query in ("", "?", "?term", "?term=", "?term=%20", "?term=a&term=", "?term=&term=a", "?other=1", "?Term=a", "?term=%ff"):
        yield f"search.query.{query}", "GET", "/api/activities/search" + query, {}, None
    yield "messages.query", "GET", "/api/messages/@worf?user_reciever_handle=x", {}, None
    for path in (
        "/", "/api", "/api/", "/nothing", "/api/nothing", "/api/activities/", "/api/activities/home/", "/api/activities/@",
        "/api/activities/%40worf", "/api/activities/a%20b", "/api/activities/x/y", "/api/messages/worf", "/api/messages/@",
        "/API/activities/home", "/api/message_groups/", "/rollbar/test/", "/apix", "/api/messages/",
    ):
        yield f"path.{path}", "GET", path, {}, None
        yield f"path.{path}.front", "GET", path, {"origin": FRONT}, None
    for path in (
        "/%61pi/activities/home", "/api/activities/%68ome", "/api/activities/home%2f", "/api/activities/a%2Fb", "/api/messages/@a%2Fb",
        f"/api/activities/{UUID}%2Freply", "/api//activities/home", "/api/activities//home?x=1", "/api//nothing",
        "/api/activities/a;b", "/api/activities/%", "/static/x", "/static/", "/static",
    ):
        for method in ("GET", "HEAD", "OPTIONS", "POST"):
            yield f"path.{path}.{method}", method, path, {"origin": FRONT}, None
    for path in (GETS["home"], ACTIVITIES):
        for origin in ("", "*", "null", FRONT + "/", f"{FRONT}, {BACK}"):
            for method in ("GET", "OPTIONS", "POST"):
                headers = {**JSON, "origin": origin, "access-control-request-method": "GET"}
                yield f"origin.{path}.{origin}.{method}", method, path, headers, json.dumps(good)
        for origin in (FRONT, EVIL):
            headers = {"origin": origin, "access-control-request-method": "GET", "access-control-request-private-network": "true"}
            yield f"private.{path}.{origin}", "OPTIONS", path, headers, None
        headers = {"origin": FRONT, "access-control-request-method": "ET,HE"}
        yield f"preflight.{path}.part", "OPTIONS", path, headers, None
    yield "path.post", "POST", "/api/nothing", JSON, "{}"
    yield "path.options", "OPTIONS", "/api/nothing", {"origin": FRONT}, None
    for path in (GETS["home"], ACTIVITIES, GETS["rollbar"]):
        for origin in (FRONT, EVIL, FRONT.upper()):
            for method in ("GET", "POST", "post", "DELETE", ""):
                headers = {"origin": origin, "access-control-request-method": method}
                yield f"preflight.{path}.{origin}.{method}", "OPTIONS", path, headers, None
            for wanted in ("content-type", "If-Modified-Since, Content-Type", "x-b,x-a", ""):
                headers = {
                    "origin": origin,
                    "access-control-request-method": "GET",
                    "access-control-request-headers": wanted,
                }
                yield f"preflight.{path}.{origin}.headers.{wanted}", "OPTIONS", path, headers, None


def record():
    client = app.test_client()
    for name, method, path, headers, body in requests():
        answer = client.open(path, method=method, headers=headers, data=None if body is None else body.encode())
        is_json = answer.content_type == "application/json"
        is_text = path == "/rollbar/test" and answer.status_code == 200
        text = answer.get_data(as_text=True) if is_json or is_text or method == "HEAD" else None
        yield {
            "name": name,
            "request": {"method": method, "path": path, "headers": headers, "body": body},
            "answer": {
                "status": answer.status_code,
                "headers": {key.lower(): value for key, value in answer.headers.items()},
                "body": text,
            },
        }


print(json.dumps({"recordings": list(record())}, indent=1))
