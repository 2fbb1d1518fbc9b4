//! Calls the platform for a job, as often as the verdict allows.

use std::time::{Duration, Instant};

use futures_util::{FutureExt, future::BoxFuture};
use quhao_common::{
    failure::{Failure, FailureCode},
    metrics,
};
use time::OffsetDateTime;
use tokio::time::timeout;
use tracing::{debug, warn};

use crate::{
    context::Taken,
    platform::{Call, ExchangeError, Trouble},
    slots::{List, NoWait, Slot},
    verdict::{History, Moment, Step, decide},
};

/// What came of calling.
#[derive(Debug)]
pub enum Called<T> {
    /// The platform gave what was asked for.
    Given(T),
    /// Somebody has spent the code. This is the failure if no sibling has a result.
    Spent(Failure),
    /// There is nothing to be had.
    Failed(Failure),
    /// The deadline passed before the first call.
    TooLate,
    /// The worker is draining; another should have the job.
    HandBack,
}

/// Makes `call` for `taken`; `once` is one such call.
pub async fn call<'a, T>(
    taken: &'a Taken,
    call: Call,
    slot: &mut Slot,
    once: impl Fn() -> BoxFuture<'a, Result<T, ExchangeError>>,
) -> Called<T> {
    let job = &taken.job;
    let mut history = History { redelivered: taken.redelivered, ..History::default() };
    // Why the next call is not this job's first.
    let mut again = taken.redelivered.then_some("redelivery");
    let mut too_late: Option<Failure> = None;
    loop {
        if job.remaining(OffsetDateTime::now_utc()).is_zero() {
            return too_late.map_or(Called::TooLate, Called::Failed);
        }
        let (error, called) = match ready(taken, call, slot).await {
            Ready::Now => {
                if let Some(cause) = again {
                    count_repeated(call, cause);
                }
                match timed(taken, call, once()).await {
                    Ok(given) => return Called::Given(given),
                    Err(error) => {
                        let called = error.trouble != Trouble::NoCredential;
                        (error, called)
                    }
                }
            }
            Ready::AfterWait => continue,
            Ready::Not(error) => (error, false),
            Ready::Draining => return Called::HandBack,
        };
        history.note(error.trouble);
        let step = decide(error.trouble, &history, moment(job.expires_at));
        debug!(id = %job.id, ?call, %error, ?step, "the platform gave nothing");
        let (after, cause, failed) = match step {
            Step::End(code) => {
                if called && is_operators(code) {
                    warn!(app = %taken.app.id, %error, "the platform refuses this app");
                }
                return Called::Failed(failure(code, &error));
            }
            Step::LookForSibling { otherwise } => {
                return Called::Spent(failure(otherwise, &error));
            }
            Step::Again { after, cause, otherwise } => (after, cause, failure(otherwise, &error)),
        };
        match pause(taken, error.trouble, after, slot).await {
            Ok(()) => too_late = Some(failed),
            Err(NoWait::Crowded) => return Called::Failed(failed),
            Err(NoWait::Draining) => return Called::HandBack,
        }
        if called {
            again = Some(cause);
        }
    }
}

/// Whether a job has what its call takes.
enum Ready {
    Now,
    /// Probably: it was away, so the deadline is to be looked at again.
    AfterWait,
    Not(ExchangeError),
    Draining,
}

async fn ready(taken: &Taken, call: Call, slot: &mut Slot) -> Ready {
    let mut preparing = taken.platform.prepare(&taken.app, call);
    if let Some(ready) = (&mut preparing).now_or_never() {
        return ready.map_or_else(Ready::Not, |()| Ready::Now);
    }
    let remaining = taken.job.remaining(OffsetDateTime::now_utc());
    let prepared = timeout(remaining, preparing);
    match slot.wait_for_credential(&taken.app.id, prepared).await {
        Some(Ok(Ok(())) | Err(_)) => Ready::AfterWait,
        Some(Ok(Err(error))) => Ready::Not(error),
        None => Ready::Draining,
    }
}

async fn timed<T>(
    taken: &Taken,
    call: Call,
    once: BoxFuture<'_, Result<T, ExchangeError>>,
) -> Result<T, ExchangeError> {
    let started = Instant::now();
    let result = once.await;
    let label = result.as_ref().map_or_else(
        |error| error.trouble.as_str(),
        |_| match call {
            Call::Exchange => "session",
            Call::Redeem => "phone",
        },
    );
    match call {
        Call::Exchange => metrics::exchange(label, started.elapsed()),
        Call::Redeem => metrics::redeem(label, started.elapsed()),
    }
    debug!(app = %taken.app.id, ?call, label, "the platform was called");
    result
}

fn count_repeated(call: Call, cause: &'static str) {
    match call {
        Call::Exchange => metrics::exchanged_again(cause),
        Call::Redeem => metrics::redeemed_again(cause),
    }
}

/// Waits until it is time to try again.
async fn pause(
    taken: &Taken,
    trouble: Trouble,
    after: Duration,
    slot: &mut Slot,
) -> Result<(), NoWait> {
    let app = &taken.app.id;
    match trouble {
        // Short, once, and met by all jobs of an app together.
        Trouble::CredentialRefused => {
            let until = tokio::time::sleep(after);
            slot.wait_for_credential(app, until).await.ok_or(NoWait::Draining)
        }
        Trouble::NoCredential => slot.wait(List::Credential, app, after).await,
        _ => slot.wait(List::Retry, app, after).await,
    }
}

/// Whether somebody has to mend something before this app's jobs can succeed.
fn is_operators(code: FailureCode) -> bool {
    matches!(
        code,
        FailureCode::AppMisconfigured
            | FailureCode::AppForbidden
            | FailureCode::IpNotAllowed
            | FailureCode::PlatformUnexpected
    )
}

fn failure(code: FailureCode, error: &ExchangeError) -> Failure {
    Failure { code, platform_code: error.platform_code, platform_rid: error.platform_rid.clone() }
}

fn moment(expires_at: OffsetDateTime) -> Moment {
    let now = OffsetDateTime::now_utc();
    Moment {
        remaining: (expires_at - now).try_into().unwrap_or(Duration::ZERO),
        into_minute: Duration::from_millis(
            u64::from(now.second()) * 1000 + u64::from(now.millisecond()),
        ),
        chance: rand::random(),
    }
}
