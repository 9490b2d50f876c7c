//! The way of one AWS call: who, what, faults, rate, input, effect, answer.

use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use crate::accounts::Caller;
use crate::calls::{Ended, Ending, rfc3339};
use crate::clock;
use crate::emulation::Emulation;
use crate::error::AwsError;
use crate::faults::{Effect, When};
use crate::model::{self, Operation};
use crate::service::Service;
use crate::state::Place;
use crate::wire::{self, Request};
use crate::{ids, logs, xray};

/// A call held by `stop` or `hang` longer than this ends without an answer.
const MAX_HELD: Duration = Duration::from_secs(15 * 60);

/// The connection a request came on, to be cut by faults.
#[derive(Clone)]
pub(crate) struct Connection(pub(crate) Arc<TcpStream>);

/// How a call ends.
enum Outcome {
    Done(&'static Operation, Value),
    Refused(AwsError),
    /// Not answered: the connection is cut.
    Silent,
}

/// What is known of a call so far. It is recorded when dropped, so that a call cut off by a stopping server counts too.
struct Progress<'a> {
    emulation: &'a Emulation,
    service: Service,
    operation: Option<&'static Operation>,
    place: Place,
    status: u16,
    code: Option<String>,
    ending: Ending,
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        let operation = self
            .operation
            .map_or(unknown(self.service), |operation| operation.full_name);
        self.emulation.calls.record(Ended {
            time_ms: self.emulation.clock.now_ms(),
            account: std::mem::take(&mut self.place.account),
            region: std::mem::take(&mut self.place.region),
            operation,
            status: self.status,
            code: self.code.take(),
            ending: self.ending,
        });
    }
}

/// Every request outside the control interface.
pub(crate) async fn aws(
    http: HttpRequest,
    body: Bytes,
    emulation: Data<Emulation>,
) -> HttpResponse {
    let request = Request::new(&http, &body);
    let mut progress = Progress {
        emulation: &emulation,
        service: wire::looks_like(&request),
        operation: None,
        place: Place {
            account: String::new(),
            region: String::new(),
        },
        status: 0,
        code: Some("NoReply".to_owned()),
        ending: Ending::Error,
    };
    let outcome = match admit(&request, &mut progress) {
        Ok((operation, caller)) => call(&request, operation, &caller, &mut progress).await,
        Err(error) => Outcome::Refused(error),
    };
    let request_id = ids::uuid();
    let response = match outcome {
        Outcome::Done(operation, output) => {
            progress.code = None;
            wire::success(operation, &output, &request_id)
        }
        Outcome::Refused(error) => {
            let throttled = error.code.starts_with("Throttl");
            progress.ending = if throttled {
                Ending::Throttled
            } else {
                Ending::Error
            };
            let response = wire::refusal(progress.service, &error, &request_id);
            progress.code = Some(error.code.into_owned());
            response
        }
        Outcome::Silent => {
            if let Some(Connection(stream)) = http.conn_data() {
                // A connection that is gone already is as silent as it should be.
                let _ = stream.shutdown(Shutdown::Both);
            }
            return HttpResponse::InternalServerError().force_close().finish();
        }
    };
    progress.status = response.status().as_u16();
    response
}

/// Who is calling what.
fn admit(
    request: &Request<'_>,
    progress: &mut Progress<'_>,
) -> Result<(&'static Operation, Caller), AwsError> {
    let credential = wire::auth::credential(request, progress.service, clock::wall_ms())?;
    progress.service = credential.service;
    progress.place.region = credential.region;
    let operation = wire::operation(credential.service, request)?;
    progress.operation = Some(operation);
    let caller = progress.emulation.accounts.caller(
        credential.service,
        &credential.access_key,
        credential.session_token.as_deref(),
        progress.emulation.clock.now_ms(),
    )?;
    progress.place.account.clone_from(&caller.account);
    Ok((operation, caller))
}

async fn call(
    request: &Request<'_>,
    operation: &'static Operation,
    caller: &Caller,
    progress: &mut Progress<'_>,
) -> Outcome {
    let emulation = progress.emulation;
    let verdict = emulation
        .faults
        .judge(operation.full_name, &progress.place.account);
    tokio::time::sleep(verdict.delay).await;
    match &verdict.effect {
        Some(Effect::Throttle { status, code }) => {
            let mut error = operation.service.throttled();
            error.status = status.unwrap_or(error.status);
            error.code = code.clone().map_or(error.code, Into::into);
            return Outcome::Refused(error);
        }
        Some(Effect::Error { status, code }) => {
            let message = format!("{code} by a fault of the emulator's control interface");
            return Outcome::Refused(AwsError::new(*status, code.clone(), message));
        }
        Some(Effect::Hang { fault }) => {
            // Past the bound the connection is cut, as when the fault goes.
            let _ = tokio::time::timeout(MAX_HELD, emulation.faults.gone(*fault)).await;
            return Outcome::Silent;
        }
        Some(Effect::Stop {
            fault,
            when: When::Before,
        }) => {
            if !hold(emulation, operation, &progress.place, *fault, When::Before).await {
                return Outcome::Silent;
            }
        }
        Some(
            Effect::LoseReply
            | Effect::Stop {
                when: When::After, ..
            },
        )
        | None => {}
    }

    let result = perform(request, operation, caller, progress).await;
    match verdict.effect {
        Some(Effect::LoseReply) => return Outcome::Silent,
        Some(Effect::Stop {
            fault,
            when: When::After,
        }) if !hold(emulation, operation, &progress.place, fault, When::After).await => {
            return Outcome::Silent;
        }
        _ => {}
    }
    result.map_or_else(Outcome::Refused, |output| Outcome::Done(operation, output))
}

/// `true` when the call was continued.
async fn hold(
    emulation: &Emulation,
    operation: &Operation,
    place: &Place,
    fault: u64,
    when: When,
) -> bool {
    let hold = emulation.stops.hold(json!({
        "fault": fault,
        "operation": operation.full_name,
        "account": place.account,
        "region": place.region,
        "when": when,
        "since": rfc3339(emulation.clock.now_ms()),
    }));
    tokio::time::timeout(MAX_HELD, hold.released())
        .await
        .unwrap_or(false)
}

/// Rate, input and effect.
async fn perform(
    request: &Request<'_>,
    operation: &'static Operation,
    caller: &Caller,
    progress: &mut Progress<'_>,
) -> Result<Value, AwsError> {
    let (emulation, place) = (progress.emulation, &progress.place);
    let input = wire::input(operation, request);
    let cost = input
        .as_ref()
        .map_or(1.0, |input| xray::cost(operation, input));
    if !emulation
        .limits
        .take(&place.account, &place.region, operation.full_name, cost)
    {
        return Err(operation.service.throttled());
    }
    let input = input?;
    let claim = match logs::written_group(operation, &input) {
        Some(group) => Some(
            emulation
                .busy
                .claim(place, group)
                .ok_or_else(logs::aborted)?,
        ),
        None => None,
    };
    let output = emulation.perform(operation, place, caller, input)?;
    progress.ending = Ending::Ok;
    if cfg!(debug_assertions)
        && let Err(wrong) = model::of(operation.service).check_answer(operation, &output)
    {
        let message = format!("the emulator's answer is not what the model says: {wrong}");
        return Err(AwsError::new(500, "InternalFailure", message));
    }
    if claim.is_some() {
        tokio::time::sleep(Duration::from_millis(
            emulation.limits.settings().log_group_write_ms,
        ))
        .await;
    }
    Ok(output)
}

/// How calls without a known operation are counted.
fn unknown(service: Service) -> &'static str {
    match service {
        Service::Xray => "xray.Unknown",
        Service::Logs => "logs.Unknown",
        Service::Sts => "sts.Unknown",
    }
}
