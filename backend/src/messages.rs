//! `/api/messages` and `/api/message_groups`.

use crate::body::Body;
use crate::clock::Moment;
use crate::cors;
use crate::input::{Input, check_message, is_blank};
use crate::json::{answer, refusal};
use crate::page::Failure;
use crate::uuid::random_uuid;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use serde_json::Value;

/// GET /api/message_groups
pub(crate) async fn groups() -> HttpResponse {
    #[derive(Serialize)]
    struct Group {
        created_at: String,
        display_name: &'static str,
        handle: &'static str,
        uuid: &'static str,
    }
    let now = Moment::now();
    let group = |display_name, handle, uuid| Group {
        created_at: now.text(),
        display_name,
        handle,
        uuid,
    };
    let groups = [
        group(
            "Andrew Brown",
            "andrewbrown",
            "24b95582-9e7b-4e0a-9ad1-639773ab7552",
        ),
        group("Worf", "worf", "417c360e-c4e6-4fce-873b-d2d71469b4ac"),
    ];
    answer(StatusCode::OK, &groups)
}

/// GET /api/messages/@{handle}
pub(crate) async fn list() -> HttpResponse {
    #[derive(Serialize)]
    struct Message {
        created_at: String,
        display_name: &'static str,
        handle: &'static str,
        message: &'static str,
        uuid: &'static str,
    }
    let now = Moment::now();
    let message = |message, uuid| Message {
        created_at: now.text(),
        display_name: "Andrew Brown",
        handle: "andrewbrown",
        message,
        uuid,
    };
    let messages = [
        message("Cloud is fun!", "4e81c06a-db0f-4281-b4cc-98208537772a"),
        message(
            "This platform is great!",
            "66e12864-8c26-4c3a-9658-95a10f8fea67",
        ),
    ];
    answer(StatusCode::OK, &messages)
}

/// POST /api/messages
pub(crate) async fn create(request: HttpRequest, body: Body) -> Result<HttpResponse, Failure> {
    #[derive(Serialize)]
    struct Created<'a> {
        created_at: String,
        display_name: &'static str,
        handle: &'static str,
        message: &'a Value,
        uuid: String,
    }
    let input = Input::read(&request, body)?;
    let receiver = input.field("user_receiver_handle")?;
    let message = input.field("message")?;
    // The code is misspelt as in the original; clients may know it.
    let receiver_fails = is_blank(receiver)?.then_some("user_reciever_handle_blank");
    let mut result = match check_message(message, 1_024)?.or(receiver_fails) {
        Some(code) => refusal(code),
        None => answer(
            StatusCode::OK,
            &Created {
                created_at: Moment::now().text(),
                display_name: "Andrew Brown",
                handle: "andrewbrown",
                message,
                uuid: random_uuid(),
            },
        ),
    };
    cors::allow_any_origin(&request, &mut result);
    Ok(result)
}
