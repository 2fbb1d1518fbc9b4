//! Calls the platform for a job, as often as `retry` allows.

use std::time::{Duration, Instant};

use futures_util::{FutureExt, future::BoxFuture};
use quhao_common::{
    domain::failure::{Failure, FailureCode},
    process::metrics,
};
use time::OffsetDateTime;
use tokio::time::timeout;
use tracing::{debug, warn};

use crate::{
    circuit_breaker::{self, Gate, Held, Pass, call_result::Signal},
    context::{Context, Taken},
    job::retry::{History, Moment, Step, decide},
    platform::{Call, ExchangeError, Trouble},
    slots::{List, NoWait, Slot},
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

/// An end without what was asked for.
enum End {
    Spent(Failure),
    Failed(Failure),
    TooLate,
    HandBack,
}

impl<T> From<End> for Called<T> {
    fn from(end: End) -> Self {
        match end {
            End::Spent(failure) => Self::Spent(failure),
            End::Failed(failure) => Self::Failed(failure),
            End::TooLate => Self::TooLate,
            End::HandBack => Self::HandBack,
        }
    }
}

/// Makes `call` for `taken`; `once` is one such call. The ways of waiting are boxed: most jobs
/// go none of them.
pub async fn call<'a, T>(
    context: &'a Context,
    taken: &'a Taken,
    call: Call,
    slot: &mut Slot,
    once: impl Fn() -> BoxFuture<'a, Result<T, ExchangeError>>,
) -> Called<T> {
    let mut calling = Calling {
        context,
        taken,
        call,
        slot,
        history: History { redelivered: taken.redelivered, ..History::default() },
        again: taken.redelivered.then_some("redelivery"),
        too_late: None,
        held_back: false,
    };
    loop {
        let went_on = match calling.ready().await {
            Ok(None) => Ok(()),
            Ok(Some(pass)) => match calling.once(pass, once()).await {
                Ok(given) => return Called::Given(given),
                Err(error) => {
                    let called = error.trouble != Trouble::NoCredential;
                    Box::pin(calling.judge(error, called)).await
                }
            },
            Err(end) => Err(end),
        };
        if let Err(end) = went_on {
            return end.into();
        }
    }
}

/// A job between its calls.
struct Calling<'a> {
    context: &'a Context,
    taken: &'a Taken,
    call: Call,
    slot: &'a mut Slot,
    history: History,
    /// Why the next call is not this job's first.
    again: Option<&'static str>,
    /// How the job ends if its deadline comes before the next call.
    too_late: Option<Failure>,
    /// The next call has been held back before.
    held_back: bool,
}

impl Calling<'_> {
    /// Leave to call right now. `None` after a wait: then everything is to be looked at
    /// again, the deadline first.
    async fn ready(&mut self) -> Result<Option<Pass>, End> {
        let Taken { job, app, platform, .. } = self.taken;
        if job.remaining(OffsetDateTime::now_utc()).is_zero() {
            return Err(self.too_late.take().map_or(End::TooLate, End::Failed));
        }
        let mut preparing = platform.prepare(app, self.call);
        let Some(prepared) = (&mut preparing).now_or_never() else {
            let prepared = timeout(job.remaining(OffsetDateTime::now_utc()), preparing);
            return match Box::pin(self.slot.wait_for_credential(&app.id, prepared)).await {
                Some(Ok(Ok(())) | Err(_)) => Ok(None),
                Some(Ok(Err(error))) => Box::pin(self.judge(error, false)).await.map(|()| None),
                None => Err(End::HandBack),
            };
        };
        if let Err(error) = prepared {
            return Box::pin(self.judge(error, false)).await.map(|()| None);
        }
        match self.context.circuits.ask(&app.id, self.call) {
            Gate::Go(pass) => Ok(Some(pass)),
            Gate::Held(held) => Box::pin(self.sit_out(held)).await.map(|()| None),
        }
    }

    /// Waits while calls for the app are held back, if there is time and room.
    async fn sit_out(&mut self, held: Held) -> Result<(), End> {
        if !std::mem::replace(&mut self.held_back, true) {
            metrics::call_held_back(held.cause.as_str());
        }
        let Taken { job, app, .. } = self.taken;
        let code = held.cause.failure();
        // What the platform said to this very job tells more.
        let said = self.too_late.take().filter(|failure| failure.code == code);
        let failure = said.unwrap_or_else(|| code.into());
        let remaining = job.remaining(OffsetDateTime::now_utc());
        if held.pause.is_none_or(|pause| pause >= remaining) {
            return Err(End::Failed(failure));
        }
        match self.slot.wait_until(List::Later(self.call), &app.id, held.over()).await {
            Ok(()) => {
                self.too_late = Some(failure);
                Ok(())
            }
            Err(NoWait::Crowded) => Err(End::Failed(failure)),
            Err(NoWait::Draining) => Err(End::HandBack),
        }
    }

    async fn once<T>(
        &mut self,
        pass: Pass,
        once: BoxFuture<'_, Result<T, ExchangeError>>,
    ) -> Result<T, ExchangeError> {
        let (call, app) = (self.call, &self.taken.app.id);
        if let Some(cause) = self.again {
            count_repeated(call, cause);
        }
        self.held_back = false;
        let started = Instant::now();
        let result = once.await;
        let signal = match &result {
            Ok(_) => Some(Signal::Answered),
            Err(error) => Signal::of(error.trouble, self.taken.job.id.key()),
        };
        if let Some(signal) = signal {
            pass.told(signal);
        }
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
        debug!(id = %self.taken.job.id, %app, ?call, label, "the platform was called");
        result
    }

    /// Does what follows from getting nothing, by a call or (not `called`) for want of a
    /// credential.
    async fn judge(&mut self, error: ExchangeError, called: bool) -> Result<(), End> {
        let Taken { job, app, .. } = self.taken;
        self.history.note(error.trouble);
        let step = decide(error.trouble, &self.history, moment(job.expires_at));
        debug!(id = %job.id, call = ?self.call, %error, ?step, "the platform gave nothing");
        let (after, cause, failed) = match step {
            Step::End(code) => {
                if called && is_operators(code) {
                    warn!(id = %job.id, app = %app.id, %error, "the platform refuses this app");
                }
                return Err(End::Failed(failure(code, &error)));
            }
            Step::LookForSibling { otherwise } => {
                return Err(End::Spent(failure(otherwise, &error)));
            }
            Step::Again { after, cause, otherwise } => (after, cause, failure(otherwise, &error)),
        };
        match self.pause(error.trouble, after).await {
            Ok(()) => self.too_late = Some(failed),
            Err(NoWait::Crowded) => return Err(End::Failed(failed)),
            Err(NoWait::Draining) => return Err(End::HandBack),
        }
        if called {
            self.again = Some(cause);
        }
        Ok(())
    }

    /// Waits until it is time to try again.
    async fn pause(&mut self, trouble: Trouble, after: Duration) -> Result<(), NoWait> {
        let app = &self.taken.app.id;
        match trouble {
            // Short, once, and met by all jobs of an app together.
            Trouble::CredentialRefused => {
                let until = tokio::time::sleep(after);
                self.slot.wait_for_credential(app, until).await.ok_or(NoWait::Draining)
            }
            Trouble::NoCredential => self.slot.wait(List::Credential, app, after).await,
            _ => self.slot.wait(List::Later(self.call), app, after).await,
        }
    }
}

fn count_repeated(call: Call, cause: &'static str) {
    match call {
        Call::Exchange => metrics::exchanged_again(cause),
        Call::Redeem => metrics::redeemed_again(cause),
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
        into_minute: circuit_breaker::into_minute(),
        chance: rand::random(),
    }
}
