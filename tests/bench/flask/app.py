"""The original Flask service, rebuilt from the journal: what the activities service is measured and compared against.

TELEMETRY=off leaves the instrumentation out, to measure what it adds.
"""

import logging
import os
import uuid
from datetime import datetime, timedelta, timezone

from flask import Flask, request
from flask_cors import CORS, cross_origin

TELEMETRY = os.getenv("TELEMETRY", "on") != "off"
LOGGER = logging.getLogger(__name__)

if TELEMETRY:
    import watchtower
    from aws_xray_sdk.core import xray_recorder
    from aws_xray_sdk.ext.flask.middleware import XRayMiddleware
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.instrumentation.flask import FlaskInstrumentor
    from opentelemetry.instrumentation.requests import RequestsInstrumentor
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SimpleSpanProcessor

    LOGGER.setLevel(logging.DEBUG)
    LOGGER.addHandler(logging.StreamHandler())
    LOGGER.addHandler(watchtower.CloudWatchLogHandler(log_group_name=os.getenv("TRACEWRIGHT_LOG_GROUP", "cruddur")))
    LOGGER.info("HomeActivities")
    LOGGER.info("test Log")

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter()))
    trace.set_tracer_provider(provider)
    tracer = trace.get_tracer("home.activities")

app = Flask(__name__)

if TELEMETRY:
    xray_recorder.configure(service="backend-flask", dynamic_naming=os.getenv("AWS_XRAY_URL"))
    XRayMiddleware(app, xray_recorder)
    FlaskInstrumentor().instrument_app(app)
    RequestsInstrumentor().instrument()

CORS(
    app,
    resources={r"/api/*": {"origins": [os.getenv("FRONTEND_URL"), os.getenv("BACKEND_URL")]}},
    expose_headers="location,link",
    allow_headers="content-type,if-modified-since",
    methods="OPTIONS,GET,HEAD,POST",
)

USER = "andrewbrown"
TTL = {
    "30-days": timedelta(days=30),
    "7-days": timedelta(days=7),
    "3-days": timedelta(days=3),
    "1-day": timedelta(days=1),
    "12-hours": timedelta(hours=12),
    "3-hours": timedelta(hours=3),
    "1-hour": timedelta(hours=1),
}


def local_now():
    return datetime.now(timezone.utc).astimezone()


def thread(now, handle, message, reply):
    """An activity with one reply, as home and notifications show it first."""
    created = (now - timedelta(days=2)).isoformat()
    return {
        "uuid": "68f126b0-1ceb-4a33-88be-d90fa7109eee",
        "handle": handle,
        "message": message,
        "created_at": created,
        "expires_at": (now + timedelta(days=5)).isoformat(),
        "likes_count": 5,
        "replies_count": 1,
        "reposts_count": 0,
        "replies": [
            {
                "uuid": "26e12864-1c26-5c3a-9658-97a10f8fea67",
                "reply_to_activity_uuid": "68f126b0-1ceb-4a33-88be-d90fa7109eee",
                "handle": "Worf",
                "message": reply,
                "likes_count": 0,
                "replies_count": 0,
                "reposts_count": 0,
                "created_at": created,
            }
        ],
    }


def home(now):
    def plain(ident, handle, message, created, expires):
        return {
            "uuid": ident,
            "handle": handle,
            "message": message,
            "created_at": (now - created).isoformat(),
            "expires_at": (now + expires).isoformat(),
            "likes": 0,
            "replies": [],
        }

    return [
        thread(now, "Amine Rayes", "Cloud is very fun!", "Hello bootcamp!"),
        plain("66e12864-8c26-4c3a-9658-95a10f8fea67", "Worf", "Datascientest", timedelta(days=7), timedelta(days=9)),
        plain(
            "248959df-3079-4947-b847-9e0892d1bab4",
            "Garek",
            "My dear doctor, I am just simple tailor",
            timedelta(hours=1),
            timedelta(hours=12),
        ),
    ]


def check_message(message, longest):
    """The last failing check is the one that is reported."""
    if message is None or len(message) < 1:
        return ["message_blank"]
    return ["message_exceed_max_chars"] if len(message) > longest else None


@app.get("/api/message_groups")
def data_message_groups():
    now = local_now().isoformat()
    return [
        {"uuid": "24b95582-9e7b-4e0a-9ad1-639773ab7552", "display_name": "Andrew Brown", "handle": USER, "created_at": now},
        {"uuid": "417c360e-c4e6-4fce-873b-d2d71469b4ac", "display_name": "Worf", "handle": "worf", "created_at": now},
    ]


@app.get("/api/messages/@<string:handle>")
def data_messages(handle):
    now = local_now().isoformat()
    texts = {
        "4e81c06a-db0f-4281-b4cc-98208537772a": "Cloud is fun!",
        "66e12864-8c26-4c3a-9658-95a10f8fea67": "This platform is great!",
    }
    return [
        {"uuid": ident, "display_name": "Andrew Brown", "handle": USER, "message": text, "created_at": now}
        for ident, text in texts.items()
    ]


@app.route("/api/messages", methods=["POST", "OPTIONS"])
@cross_origin()
def data_create_message():
    receiver = request.json["user_receiver_handle"]
    message = request.json["message"]
    errors = ["user_reciever_handle_blank"] if receiver is None or len(receiver) < 1 else None
    errors = check_message(message, 1024) or errors
    if errors:
        return errors, 422
    return {
        "uuid": uuid.uuid4(),
        "display_name": "Andrew Brown",
        "handle": USER,
        "message": message,
        "created_at": local_now().isoformat(),
    }


@app.get("/api/activities/home")
def data_home():
    if not TELEMETRY:
        return home(local_now())
    LOGGER.info("HomeActivities")
    with tracer.start_as_current_span("home-activities-mock-data"):
        span = trace.get_current_span()
        now = local_now()
        span.set_attribute("app.now", now.isoformat())
        results = home(now)
        span.set_attribute("app.result_length", len(results))
        return results


@app.get("/api/activities/notifications")
def data_notifications():
    return [thread(local_now(), "coco", "I am white unicorn", "This post has no honor!")]


@app.get("/api/activities/@<string:handle>")
def data_handle(handle):
    now = datetime.now()
    return [
        {
            "uuid": "248959df-3079-4947-b847-9e0892d1bab4",
            "handle": "Andrew Brown",
            "message": "Cloud is fun!",
            "created_at": (now - timedelta(days=1)).isoformat(),
            "expires_at": (now + timedelta(days=31)).isoformat(),
        }
    ]


@app.get("/api/activities/search")
def data_search():
    if not request.args.get("term"):
        return ["search_term_blank"], 422
    return [
        {
            "uuid": "248959df-3079-4947-b847-9e0892d1bab4",
            "handle": "Andrew Brown",
            "message": "Cloud is fun!",
            "created_at": local_now().isoformat(),
        }
    ]


@app.route("/api/activities", methods=["POST", "OPTIONS"])
@cross_origin()
def data_activities():
    message = request.json["message"]
    ttl = request.json["ttl"]
    offset = TTL.get(ttl) if isinstance(ttl, str) else None
    errors = None if offset else ["ttl_blank"]
    errors = check_message(message, 280) or errors
    if errors:
        return errors, 422
    now = local_now()
    return {
        "uuid": uuid.uuid4(),
        "display_name": "Andrew Brown",
        "handle": USER,
        "message": message,
        "created_at": now.isoformat(),
        "expires_at": (now + offset).isoformat(),
    }


@app.get("/api/activities/<string:activity_uuid>")
def data_show_activity(activity_uuid):
    return ShowActivity.run(activity_uuid=activity_uuid)  # noqa: F821 - the original's mistake: there is no such name


@app.route("/api/activities/<string:activity_uuid>/reply", methods=["POST", "OPTIONS"])
@cross_origin()
def data_activities_reply(activity_uuid):
    message = request.json["message"]
    if check_message(message, 1024):
        return user_sender_handle, 422  # noqa: F821 - the original's mistake: there is no such name
    return {
        "uuid": uuid.uuid4(),
        "display_name": "Andrew Brown",
        "handle": USER,
        "message": message,
        "created_at": local_now().isoformat(),
        "reply_to_activity_uuid": activity_uuid,
    }


@app.get("/rollbar/test")
def rollbar_test():
    return "Hello World!"
