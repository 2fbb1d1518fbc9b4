//! A job that calls the platform, and what it does between its calls.

use std::time::{Duration, Instant};

use futures_util::{FutureExt, future::BoxFuture};
use quhao_common::{
    domain::failure::{Failure, FailureCode},
    process::metrics::{self, CallLabel, LabelValue, RepeatCause},
};
use time::OffsetDateTime;
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

use crate::{
    circuit_breaker::{Decision, Permit, Rejected, call_result::CallResult},
    context::Context,
    job::{
        received::ReceivedJob,
        retry::{History, Next, RetryInput, decide},
        stop::{CallError, Stop},
    },
    minute::into_minute,
    platform::{Call, CallFailure, PlatformError},
    slots::{Draining, Slot, WaitFor},
};

/// A job between its calls.
pub(super) struct Caller<'a> {
    context: &'a Context,
    received: &'a ReceivedJob,
    call: Call,
    slot: &'a mut Slot,
    history: History,
    /// The reason for the next call, if it is not this job's first.
    repeat_cause: Option<RepeatCause>,
    /// The failure that the job ends with if its deadline passes before the next call.
    last_failure: Option<Failure>,
    /// Whether the next call has been held back before, and was counted as such.
    is_held_back: bool,
}

impl<'a> Caller<'a> {
    /// Creates the caller of a job that has made no call yet.
    pub(super) fn new(
        context: &'a Context,
        received: &'a ReceivedJob,
        call: Call,
        slot: &'a mut Slot,
    ) -> Self {
        let redelivered = received.delivery.redelivered;
        Self {
            context,
            received,
            call,
            slot,
            history: History { redelivered, ..History::default() },
            repeat_cause: redelivered.then_some(RepeatCause::Redelivery),
            last_failure: None,
            is_held_back: false,
        }
    }

    /// Returns the permit to call right now. Returns `None` after a wait: then everything is to
    /// be checked again, the deadline first.
    pub(super) async fn prepare(&mut self) -> Result<Option<Permit>, CallError> {
        let ReceivedJob { job, app, platform, .. } = self.received;
        let remaining = job.remaining(OffsetDateTime::now_utc());
        if remaining.is_zero() {
            let stop = self.last_failure.take().map_or(Stop::DeadlinePassed, Stop::Fail);
            return Err(stop.into());
        }
        let mut preparing = platform.prepare(app, self.call);
        match (&mut preparing).now_or_never() {
            Some(Ok(())) => {}
            Some(Err(error)) => {
                Box::pin(self.wait_for_retry(&error)).await?;
                return Ok(None);
            }
            None => {
                let prepared = timeout(remaining, preparing);
                let wait =
                    self.slot.wait_outside_or_in_slot(WaitFor::CredentialFetch, &app.id, prepared);
                if let Ok(Err(error)) = Box::pin(wait).await? {
                    Box::pin(self.wait_for_retry(&error)).await?;
                }
                return Ok(None);
            }
        }
        match self.context.circuit_breakers.ask(&app.id, self.call) {
            Decision::Allowed(permit) => Ok(Some(permit)),
            Decision::Rejected(rejected) => {
                Box::pin(self.wait_while_held_back(rejected)).await?;
                Ok(None)
            }
        }
    }

    /// Makes the call once, and records its result.
    pub(super) async fn call_once<T>(
        &mut self,
        permit: Permit,
        once: BoxFuture<'_, Result<T, PlatformError>>,
    ) -> Result<T, PlatformError> {
        let call = self.call;
        let job = &self.received.job;
        if let Some(cause) = self.repeat_cause {
            match call {
                Call::Exchange => metrics::exchange_repeated(cause),
                Call::Redeem => metrics::redeem_repeated(cause),
            }
        }
        self.is_held_back = false;
        let started = Instant::now();
        let result = once.await;
        let took = started.elapsed();
        let call_result = match &result {
            Ok(_) => Some(CallResult::Answered),
            Err(error) => CallResult::from_failure(error.failure, job.id.key()),
        };
        if let Some(call_result) = call_result {
            permit.record(call_result);
        }
        let label = match (&result, call) {
            (Err(error), _) => CallLabel::Failed(error.failure),
            (Ok(_), Call::Exchange) => CallLabel::Session,
            (Ok(_), Call::Redeem) => CallLabel::Phone,
        };
        match call {
            Call::Exchange => metrics::exchange(label, took),
            Call::Redeem => metrics::redeem(label, took),
        }
        let result_name = label.label_value();
        debug!(id = %job.id, app = %self.received.app.id, ?call, %result_name, "called the platform");
        result
    }

    /// Waits until the call may be repeated after it failed with `error`. Fails if it must not.
    pub(super) async fn after_call(&mut self, error: &PlatformError) -> Result<(), CallError> {
        // The credential went between its check and the call, so no call was made.
        let was_made = error.failure != CallFailure::NoCredential;
        let retried = self.wait_for_retry(error).await;
        if !was_made {
            return retried.map(|_| ());
        }
        if let Err(CallError::Stop(Stop::Fail(failure))) = &retried
            && needs_operator(failure.code)
        {
            let id = self.received.job.id;
            warn!(%id, app = %self.received.app.id, %error, "the platform refuses this app");
        }
        self.repeat_cause = Some(retried?);
        Ok(())
    }

    /// Waits until the next try after `error`, of a call or of what comes before it. Returns the
    /// cause as a metric label; fails if there is to be no other try.
    async fn wait_for_retry(&mut self, error: &PlatformError) -> Result<RepeatCause, CallError> {
        let job = &self.received.job;
        self.history.record(error.failure);
        let next = decide(error.failure, &self.history, retry_input(job.expires_at));
        debug!(id = %job.id, call = ?self.call, %error, ?next, "the platform gave nothing");
        let (after, cause, otherwise) = match next {
            Next::Fail(code) => return Err(Stop::Fail(failure(code, error)).into()),
            Next::CheckDuplicates { otherwise } => {
                return Err(CallError::CodeSpent(failure(otherwise, error)));
            }
            Next::Retry { after, cause, otherwise } => (after, cause, otherwise),
        };
        let failed = failure(otherwise, error);
        if self.pause(error.failure, after).await?.is_none() {
            return Err(Stop::Fail(failed).into());
        }
        self.last_failure = Some(failed);
        Ok(cause)
    }

    /// Waits for `pause` outside the slot. Returns `None` if there is no room for that.
    async fn pause(
        &mut self,
        call_failure: CallFailure,
        pause: Duration,
    ) -> Result<Option<()>, Draining> {
        let app = &self.received.app.id;
        let pause = sleep(pause);
        match call_failure {
            // Short, once, and met by all jobs of an app together.
            CallFailure::CredentialRefused => {
                let wait = self.slot.wait_outside_or_in_slot(WaitFor::CredentialFetch, app, pause);
                wait.await.map(Some)
            }
            CallFailure::NoCredential => {
                self.slot.wait_outside(WaitFor::Credential, app, pause).await
            }
            _ => self.slot.wait_outside(WaitFor::Call(self.call), app, pause).await,
        }
    }

    /// Waits while the circuit breaker holds calls for the app back. Fails if there is no time
    /// or no room for that.
    async fn wait_while_held_back(&mut self, rejected: Rejected) -> Result<(), CallError> {
        if !self.is_held_back {
            metrics::call_held_back(rejected.cause);
            self.is_held_back = true;
        }
        let ReceivedJob { job, app, .. } = self.received;
        let code = rejected.cause.failure();
        // A failure that the platform gave for this very job says more than the code alone.
        let failure = match self.last_failure.take() {
            Some(failure) if failure.code == code => failure,
            _ => code.into(),
        };
        let remaining = job.remaining(OffsetDateTime::now_utc());
        if rejected.pause.is_none_or(|pause| pause >= remaining) {
            return Err(Stop::Fail(failure).into());
        }
        let wait = self.slot.wait_outside(WaitFor::Call(self.call), &app.id, rejected.wait());
        if wait.await?.is_none() {
            return Err(Stop::Fail(failure).into());
        }
        self.last_failure = Some(failure);
        Ok(())
    }
}

/// Returns whether an operator has to act before this app's jobs can succeed.
fn needs_operator(code: FailureCode) -> bool {
    matches!(
        code,
        FailureCode::AppMisconfigured
            | FailureCode::AppForbidden
            | FailureCode::IpNotAllowed
            | FailureCode::PlatformUnexpected
    )
}

fn failure(code: FailureCode, error: &PlatformError) -> Failure {
    Failure { code, platform_code: error.platform_code, platform_rid: error.platform_rid.clone() }
}

fn retry_input(expires_at: OffsetDateTime) -> RetryInput {
    let remaining = expires_at - OffsetDateTime::now_utc();
    RetryInput {
        remaining: remaining.try_into().unwrap_or(Duration::ZERO),
        into_minute: into_minute(),
        chance: rand::random(),
    }
}
