//! From a login code to a session: calls the platform as often as the verdict allows.

use std::time::{Duration, Instant};

use quhao_common::{
    failure::{Failure, FailureCode},
    metrics,
    store::StoredSession,
};
use time::OffsetDateTime;
use tracing::{debug, warn};

use crate::{
    context::{Context, Taken},
    platform::{ExchangeError, Session, Trouble},
    sibling::{self, Found},
    slots::{NoWait, Slot},
    verdict::{History, Moment, Step, decide},
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

/// Exchanges the code of `taken`.
pub async fn exchange(context: &Context, taken: &Taken, slot: &mut Slot) -> Exchanged {
    let job = &taken.job;
    let mut history = History { redelivered: taken.redelivered, ..History::default() };
    let mut too_late: Option<Failure> = None;
    loop {
        let now = OffsetDateTime::now_utc();
        if job.remaining(now).is_zero() {
            return too_late.map_or(Exchanged::TooLate, Exchanged::Failed);
        }
        if taken.redelivered && too_late.is_none() {
            metrics::exchanged_again("redelivery");
        }
        let error = match call(taken).await {
            Ok(session) => return Exchanged::Fresh(session),
            Err(error) => error,
        };
        history.note(error.trouble);
        let step = decide(error.trouble, &history, moment(job.expires_at));
        debug!(id = %job.id, %error, ?step, "the platform gave no session");
        match step {
            Step::End(code) => return Exchanged::Failed(failure(code, &error)),
            Step::LookForSibling { otherwise } => {
                return match sibling::look(context, taken, slot).await {
                    Found::Answer => Exchanged::Answered,
                    Found::Session(session) => Exchanged::Stored(session),
                    Found::Nothing => Exchanged::Failed(failure(otherwise, &error)),
                    Found::Draining => Exchanged::HandBack,
                };
            }
            Step::Again { after, cause, otherwise } => match slot.wait(&job.app, after).await {
                Ok(()) => {
                    metrics::exchanged_again(cause);
                    too_late = Some(failure(otherwise, &error));
                }
                Err(NoWait::Crowded) => return Exchanged::Failed(failure(otherwise, &error)),
                Err(NoWait::Draining) => return Exchanged::HandBack,
            },
        }
    }
}

async fn call(taken: &Taken) -> Result<Session, ExchangeError> {
    let started = Instant::now();
    let result = taken.platform.exchange(&taken.app, taken.job.work.code()).await;
    metrics::exchange(label(&result), started.elapsed());
    if let Err(error) = &result
        && matches!(error.trouble, Trouble::Final(code) if is_operators(code))
    {
        warn!(app = %taken.app.id, %error, "the platform refuses this app");
    }
    result
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

fn label(result: &Result<Session, ExchangeError>) -> &'static str {
    match result {
        Ok(_) => "session",
        Err(error) => match error.trouble {
            Trouble::NotSent => "not_sent",
            Trouble::Unanswered => "unanswered",
            Trouble::Busy => "busy",
            Trouble::CodeInvalid => "code_invalid",
            Trouble::CodeUsed => "code_already_used",
            Trouble::MinuteQuota => "minute_quota",
            Trouble::Final(code) => code.as_str(),
        },
    }
}
