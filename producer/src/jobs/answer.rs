//! From a stored answer to the job that its owner sees.

use axum::{
    Json,
    http::{HeaderName, HeaderValue},
    response::{IntoResponse, Response},
};
use quhao_backend::store::{CallbackFilter, StoreError};
use quhao_common::{
    api::job::JobObject,
    domain::{
        answer::{Answer, StoredAnswer},
        app::AppId,
        callback_status::CallbackState,
        callback_target::CallbackEvent,
        id::{JobId, JobKey},
        outcome::Outcome,
    },
    process::registry::Registry,
};

use crate::{
    Edge,
    http::{
        auth::Authenticated,
        problem::{Problem, ProblemCode},
    },
};

const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// The job of a stored answer. One that does not open is an operator's matter and may be
/// readable elsewhere, or here after a change of the configuration: as good as a store
/// that cannot be read.
pub(super) async fn finished(
    edge: &Edge,
    caller: &Authenticated,
    (id, app): (&JobId, &AppId),
    stored: &StoredAnswer,
) -> Result<JobObject, Problem> {
    let Registry { id_keys, vault, .. } = &*caller.registry;
    let Some(sealed) = &stored.answer else { return Err(ProblemCode::Gone.into()) };
    let answer = Answer::open(vault, id.key(), app, sealed)
        .map_err(|error| Problem::from(ProblemCode::StoreUnavailable).because(&error))?;
    // Most jobs have none, and then nobody is asked.
    let event = answer.callback.as_ref().map(|_| event_of(&answer.outcome));
    let object = JobObject::finished(id_keys, id, (&caller.client.name, app), stored, answer);
    let Some(event) = event else { return Ok(object) };
    let callback = callback(edge, id.key(), event)
        .await
        .map_err(|error| Problem::from(ProblemCode::StoreUnavailable).because(&error))?;
    Ok(match callback {
        Some(state) => object.with_callback(&state),
        None => object,
    })
}

fn event_of(outcome: &Outcome) -> CallbackEvent {
    match outcome {
        Outcome::Succeeded(_) => CallbackEvent::Succeeded,
        Outcome::Failed(_) => CallbackEvent::Failed,
    }
}

/// How word of `event` gets to its receiver.
async fn callback(
    edge: &Edge,
    key: JobKey,
    event: CallbackEvent,
) -> Result<Option<CallbackState>, StoreError> {
    /// A job has one of each event at most.
    const EVENTS: u32 = 2;
    let filter = CallbackFilter { key: Some(key), max: EVENTS, ..CallbackFilter::default() };
    let states = edge.backend.store.callbacks(&filter).await?;
    Ok(states.into_iter().find(|state| state.event == event))
}

/// The answer to a wait that was met.
pub(super) fn applied(object: &JobObject) -> Response {
    ([(PREFERENCE_APPLIED, HeaderValue::from_static("wait"))], Json(object)).into_response()
}
