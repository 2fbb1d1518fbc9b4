//! From a login code to a session.

use quhao_backend::store::StoredSession;
use quhao_common::domain::{failure::Failure, phone::LoginCode};

use crate::{
    context::{Context, Taken},
    job::{
        call::{self, Called},
        duplicate::{self, Found},
    },
    platform::{Call, Session},
    slots::Slot,
};

/// How an exchange ended.
#[derive(Debug)]
pub enum Exchanged {
    /// The platform gave a session.
    Fresh(Session),
    /// A sibling had spent the code, and its session is stored.
    Stored(StoredSession),
    /// A sibling has answered this very job.
    Answered,
    /// There is no session to be had.
    Failed(Failure),
    /// The deadline passed before the first call.
    TooLate,
    /// The worker is draining; another should have the job.
    HandBack,
}

/// Exchanges the `code` of `taken`.
pub async fn exchange(
    context: &Context,
    taken: &Taken,
    code: &LoginCode,
    slot: &mut Slot,
) -> Exchanged {
    let once = || taken.platform.exchange(&taken.app, code);
    match call::call(context, taken, Call::Exchange, slot, once).await {
        Called::Given(session) => Exchanged::Fresh(session),
        Called::Spent(otherwise) => {
            match Box::pin(duplicate::look(context, taken, Some(code), slot)).await {
                Found::Answer => Exchanged::Answered,
                Found::Session(session) => Exchanged::Stored(session),
                Found::Nothing => Exchanged::Failed(otherwise),
                Found::Draining => Exchanged::HandBack,
            }
        }
        Called::Failed(failure) => Exchanged::Failed(failure),
        Called::TooLate => Exchanged::TooLate,
        Called::HandBack => Exchanged::HandBack,
    }
}
