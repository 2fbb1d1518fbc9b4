//! What is told of a job over HTTP: its URL, and which events there are.

use quhao_common::{api::job, domain::callback_target::CallbackEvent};

use super::job::{id, time};

/// Returns the event that callbacks call so.
pub(super) fn event(name: &str) -> CallbackEvent {
    let all = [CallbackEvent::Failed, CallbackEvent::Succeeded];
    all.into_iter().find(|event| event.type_name() == name).unwrap()
}

/// Makes the URL of a job.
pub(crate) fn poll_url(wire: &str, expires_ms: i64) -> String {
    job::url(&id(wire), time(expires_ms))
}
