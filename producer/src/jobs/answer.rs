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
        callback_status::CallbackState,
        callback_target::CallbackEvent,
        id::JobKey,
        outcome::Outcome,
    },
};

use super::job_url::JobRef;
use crate::{
    http::{
        auth::Authenticated,
        problem::{Problem, ProblemCode},
    },
    state::AppState,
};

const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// Opens a stored answer and returns its job.
///
/// An answer that does not open is a matter for the operator, and may be readable elsewhere,
/// or here after a change of the configuration: the same as a store that cannot be read.
pub(super) async fn finished(
    state: &AppState,
    caller: &Authenticated,
    job: JobRef<'_>,
    stored: &StoredAnswer,
) -> Result<JobObject, Problem> {
    let Some(sealed) = &stored.answer else { return Err(ProblemCode::Gone.into()) };
    let answer = Answer::open(&caller.registry.vault, job.id.key(), job.app, sealed)
        .map_err(|error| Problem::from(ProblemCode::StoreUnavailable).because(&error))?;
    // Most jobs have no callback, and then the store is not asked for its state.
    let event = answer.callback.as_ref().map(|_| event_of(&answer.outcome));
    let session = answer
        .session_openid()
        .map(|openid| caller.registry.session_handle(&caller.client.name, job.app, openid));
    let object = JobObject::finished(job.id, job.app, session.as_ref(), stored, answer);
    let Some(event) = event else { return Ok(object) };
    let callback = callback_state(state, job.id.key(), event)
        .await
        .map_err(|error| Problem::from(ProblemCode::StoreUnavailable).because(&error))?;
    Ok(match callback {
        Some(callback) => object.with_callback(&callback),
        None => object,
    })
}

/// Returns the event that notifies of an outcome.
fn event_of(outcome: &Outcome) -> CallbackEvent {
    match outcome {
        Outcome::Succeeded(_) => CallbackEvent::Succeeded,
        Outcome::Failed(_) => CallbackEvent::Failed,
    }
}

/// Returns the state of the callback that delivers `event` of a job.
async fn callback_state(
    state: &AppState,
    key: JobKey,
    event: CallbackEvent,
) -> Result<Option<CallbackState>, StoreError> {
    /// A job has at most one callback for each event.
    const EVENTS: u32 = 2;
    let filter = CallbackFilter { key: Some(key), max: EVENTS, ..CallbackFilter::default() };
    let states = state.backend.store.callbacks(&filter).await?;
    Ok(states.into_iter().find(|callback| callback.event == event))
}

/// Returns the response to a request whose wait brought the finished job.
pub(super) fn preference_applied(object: &JobObject) -> Response {
    ([(PREFERENCE_APPLIED, HeaderValue::from_static("wait"))], Json(object)).into_response()
}
