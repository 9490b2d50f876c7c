//! `/api/activities`: the mock data of the journal and of the original's other services.

use crate::body::Body;
use crate::clock::Moment;
use crate::cors;
use crate::input::{Input, check_message};
use crate::json::{answer, refusal};
use crate::page::Failure;
use crate::uuid::random_uuid;
use actix_web::http::StatusCode;
use actix_web::web::Path;
use actix_web::{HttpRequest, HttpResponse};
use opentelemetry::trace::{TraceContextExt, Tracer};
use opentelemetry::{Context, KeyValue, global};
use serde::Serialize;
use serde_json::Value;

const DAY: i64 = 24;

/// An activity with its replies, as home and notifications show it.
#[derive(Serialize)]
struct Thread {
    created_at: String,
    expires_at: String,
    handle: &'static str,
    likes_count: u32,
    message: &'static str,
    replies: [Reply; 1],
    replies_count: u32,
    reposts_count: u32,
    uuid: &'static str,
}

#[derive(Serialize)]
struct Reply {
    created_at: String,
    handle: &'static str,
    likes_count: u32,
    message: &'static str,
    replies_count: u32,
    reply_to_activity_uuid: &'static str,
    reposts_count: u32,
    uuid: &'static str,
}

/// An activity nobody has replied to.
#[derive(Serialize)]
struct Plain {
    created_at: String,
    expires_at: String,
    handle: &'static str,
    likes: u32,
    message: &'static str,
    replies: [Reply; 0],
    uuid: &'static str,
}

impl Thread {
    fn new(now: Moment, handle: &'static str, message: &'static str, reply: &'static str) -> Self {
        let uuid = "68f126b0-1ceb-4a33-88be-d90fa7109eee";
        let created_at = now.plus(-2 * DAY).text();
        Self {
            replies: [Reply {
                created_at: created_at.clone(),
                handle: "Worf",
                likes_count: 0,
                message: reply,
                replies_count: 0,
                reply_to_activity_uuid: uuid,
                reposts_count: 0,
                uuid: "26e12864-1c26-5c3a-9658-97a10f8fea67",
            }],
            created_at,
            expires_at: now.plus(5 * DAY).text(),
            handle,
            likes_count: 5,
            message,
            replies_count: 1,
            reposts_count: 0,
            uuid,
        }
    }
}

fn mock_home(now: Moment) -> (Thread, Plain, Plain) {
    (
        Thread::new(now, "Amine Rayes", "Cloud is very fun!", "Hello bootcamp!"),
        Plain {
            created_at: now.plus(-7 * DAY).text(),
            expires_at: now.plus(9 * DAY).text(),
            handle: "Worf",
            likes: 0,
            message: "Datascientest",
            replies: [],
            uuid: "66e12864-8c26-4c3a-9658-95a10f8fea67",
        },
        Plain {
            created_at: now.plus(-1).text(),
            expires_at: now.plus(12).text(),
            handle: "Garek",
            likes: 0,
            message: "My dear doctor, I am just simple tailor",
            replies: [],
            uuid: "248959df-3079-4947-b847-9e0892d1bab4",
        },
    )
}

/// GET /api/activities/home, with the journal's log line and its span.
pub(crate) async fn home() -> HttpResponse {
    tracing::info!("HomeActivities");
    let tracer = global::tracer("home.activities");
    let context = Context::current_with_span(tracer.start("home-activities-mock-data"));
    let span = context.span();
    let now = Moment::now();
    span.set_attribute(KeyValue::new("app.now", now.text()));
    let results = mock_home(now);
    span.set_attribute(KeyValue::new("app.result_length", 3));
    span.end();
    answer(StatusCode::OK, &results)
}

/// GET /api/activities/notifications
pub(crate) async fn notifications() -> HttpResponse {
    answer(
        StatusCode::OK,
        &[Thread::new(
            Moment::now(),
            "coco",
            "I am white unicorn",
            "This post has no honor!",
        )],
    )
}

/// GET /api/activities/@{handle}
pub(crate) async fn of_user() -> HttpResponse {
    #[derive(Serialize)]
    struct Activity {
        created_at: String,
        expires_at: String,
        handle: &'static str,
        message: &'static str,
        uuid: &'static str,
    }
    let now = Moment::now();
    let activity = Activity {
        created_at: now.plus(-DAY).naive_text(),
        expires_at: now.plus(31 * DAY).naive_text(),
        handle: "Andrew Brown",
        message: "Cloud is fun!",
        uuid: "248959df-3079-4947-b847-9e0892d1bab4",
    };
    answer(StatusCode::OK, &[activity])
}

/// GET /api/activities/search?term=
pub(crate) async fn search(request: HttpRequest) -> HttpResponse {
    #[derive(Serialize)]
    struct Found {
        created_at: String,
        handle: &'static str,
        message: &'static str,
        uuid: &'static str,
    }
    let mut query = form_urlencoded::parse(request.query_string().as_bytes());
    if query
        .find(|(name, _)| name == "term")
        .is_none_or(|(_, term)| term.is_empty())
    {
        return refusal("search_term_blank");
    }
    let found = Found {
        created_at: Moment::now().text(),
        handle: "Andrew Brown",
        message: "Cloud is fun!",
        uuid: "248959df-3079-4947-b847-9e0892d1bab4",
    };
    answer(StatusCode::OK, &[found])
}

/// GET /api/activities/{activity_uuid}: the original's route calls a class that has another name, and always fails.
pub(crate) async fn show(_activity_uuid: Path<String>) -> Result<HttpResponse, Failure> {
    Err(Failure::Broken(
        "NameError: name 'ShowActivity' is not defined",
    ))
}

/// POST /api/activities
pub(crate) async fn create(request: HttpRequest, body: Body) -> Result<HttpResponse, Failure> {
    #[derive(Serialize)]
    struct Created<'a> {
        created_at: String,
        display_name: &'static str,
        expires_at: String,
        handle: &'static str,
        message: &'a Value,
        uuid: String,
    }
    let input = Input::read(&request, body)?;
    let message = input.field("message")?;
    let hours = input.field("ttl")?.as_str().and_then(hours);
    let failing = check_message(message, 280)?;
    let mut result = match (hours, failing) {
        (_, Some(code)) => refusal(code),
        (None, None) => refusal("ttl_blank"),
        (Some(hours), None) => {
            let now = Moment::now();
            let created = Created {
                created_at: now.text(),
                display_name: "Andrew Brown",
                expires_at: now.plus(hours).text(),
                handle: "andrewbrown",
                message,
                uuid: random_uuid(),
            };
            answer(StatusCode::OK, &created)
        }
    };
    cors::allow_any_origin(&request, &mut result);
    Ok(result)
}

/// How long an activity lives.
fn hours(ttl: &str) -> Option<i64> {
    Some(match ttl {
        "30-days" => 30 * DAY,
        "7-days" => 7 * DAY,
        "3-days" => 3 * DAY,
        "1-day" => DAY,
        "12-hours" => 12,
        "3-hours" => 3,
        "1-hour" => 1,
        _ => return None,
    })
}

/// POST /api/activities/{activity_uuid}/reply: where a check fails, the original fails on a name it does not know.
pub(crate) async fn reply(
    request: HttpRequest,
    activity_uuid: Path<String>,
    body: Body,
) -> Result<HttpResponse, Failure> {
    #[derive(Serialize)]
    struct Created<'a> {
        created_at: String,
        display_name: &'static str,
        handle: &'static str,
        message: &'a Value,
        reply_to_activity_uuid: &'a str,
        uuid: String,
    }
    let input = Input::read(&request, body)?;
    let message = input.field("message")?;
    if check_message(message, 1_024)?.is_some() {
        return Err(Failure::Broken(
            "NameError: name 'user_sender_handle' is not defined",
        ));
    }
    let created = Created {
        created_at: Moment::now().text(),
        display_name: "Andrew Brown",
        handle: "andrewbrown",
        message,
        reply_to_activity_uuid: &activity_uuid,
        uuid: random_uuid(),
    };
    let mut result = answer(StatusCode::OK, &created);
    cors::allow_any_origin(&request, &mut result);
    Ok(result)
}
