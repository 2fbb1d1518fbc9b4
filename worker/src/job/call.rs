//! Calls the platform for a job. Nothing else does.

use futures_util::future::BoxFuture;
use quhao_backend::store::StoredSession;
use quhao_common::domain::phone::{LoginCode, PhoneCode};

use self::caller::Caller;
use crate::{
    context::Context,
    job::{
        duplicate,
        received::ReceivedJob,
        stop::{CallError, Stop},
    },
    platform::{Call, PlatformError, Redeemed, Session},
    slots::Slot,
};

mod caller;

/// The session of a login: what the guest's payloads are opened with.
#[derive(Debug)]
pub(crate) enum LoginSession {
    /// The platform gave it to this job.
    Fresh(Session),
    /// It was stored by another job.
    Stored(StoredSession),
}

/// Exchanges the login `code` of `received` for a session. If another job has spent the code,
/// returns the session that it stored.
pub(crate) async fn exchange(
    context: &Context,
    received: &ReceivedJob,
    code: &LoginCode,
    slot: &mut Slot,
) -> Result<LoginSession, Stop> {
    let once = || received.platform.exchange(&received.app, code);
    match call(context, received, Call::Exchange, slot, once).await {
        Ok(session) => Ok(LoginSession::Fresh(session)),
        Err(CallError::Stop(stop)) => Err(stop),
        Err(CallError::CodeSpent(failure)) => {
            match Box::pin(duplicate::wait_for_result(context, received, Some(code), slot)).await? {
                Some(session) => Ok(LoginSession::Stored(session)),
                None => Err(Stop::Fail(failure)),
            }
        }
    }
}

/// Redeems the phone `code` of `received` for a number. If `openid` is given, the platform
/// checks that the code is this guest's.
pub(crate) async fn redeem(
    context: &Context,
    received: &ReceivedJob,
    code: &PhoneCode,
    openid: Option<&str>,
    slot: &mut Slot,
) -> Result<Redeemed, Stop> {
    let once = || received.platform.redeem(&received.app, code, openid);
    match call(context, received, Call::Redeem, slot, once).await {
        Ok(redeemed) => Ok(redeemed),
        Err(CallError::Stop(stop)) => Err(stop),
        Err(CallError::CodeSpent(failure)) => {
            // A number is kept nowhere but in its job's own answer, so no other job's result helps.
            Box::pin(duplicate::wait_for_result(context, received, None, slot)).await?;
            Err(Stop::Fail(failure))
        }
    }
}

/// Makes `call` for `received` as often as the retry policy allows; `once` makes it once. The
/// ways of waiting are boxed: most jobs go none of them.
async fn call<'a, T>(
    context: &'a Context,
    received: &'a ReceivedJob,
    call: Call,
    slot: &mut Slot,
    once: impl Fn() -> BoxFuture<'a, Result<T, PlatformError>>,
) -> Result<T, CallError> {
    let mut caller = Caller::new(context, received, call, slot);
    loop {
        let Some(permit) = caller.prepare().await? else { continue };
        match caller.call_once(permit, once()).await {
            Ok(given) => return Ok(given),
            Err(error) => Box::pin(caller.after_call(&error)).await?,
        }
    }
}
