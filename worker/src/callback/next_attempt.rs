//! Decides what follows an attempt. Pure: clock and chance are the caller's.

use std::time::{Duration, SystemTime};

use quhao_common::{config, process::backoff::Backoff};

use super::reason::Reason;

/// The pauses between attempts. Eleven of them take between five and ten minutes: about the
/// whole time that a callback has by default.
const BACKOFF: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_mins(2));

/// The result of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptResult {
    /// The receiver answered.
    Answered {
        /// The HTTP status.
        status: u16,
        /// The pause that the answer's `Retry-After` asks for.
        retry_after: Option<Duration>,
    },
    /// There was no answer.
    Failed(Reason),
}

impl AttemptResult {
    /// Returns the HTTP status, if the receiver answered.
    pub(super) fn status(self) -> Option<u16> {
        match self {
            Self::Answered { status, .. } => Some(status),
            Self::Failed(_) => None,
        }
    }

    /// Returns why the attempt failed; `None` if the callback is delivered.
    pub(super) fn reason(self) -> Option<Reason> {
        match self {
            Self::Answered { status: 200..=299, .. } => None,
            Self::Answered { status: 300..=399, .. } => Some(Reason::Redirect),
            Self::Answered { status: 410, .. } => Some(Reason::Gone),
            Self::Answered { .. } => Some(Reason::Status),
            Self::Failed(reason) => Some(reason),
        }
    }
}

/// What a decision depends on besides the result of the attempt.
#[derive(Debug, Clone, Copy)]
pub(super) struct AttemptInput {
    /// The number of the attempt, from 1.
    pub(super) attempt: u32,
    /// The time since the callback first became due.
    pub(super) elapsed: Duration,
    /// A fresh random number in `0.0..1.0`.
    pub(super) chance: f64,
}

/// The limits of how long and how often a callback is tried.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// The time after it became due in which an attempt may still begin.
    pub(super) total: Duration,
    /// The largest number of attempts.
    pub(super) attempts_max: u32,
}

impl Limits {
    /// Returns the limits of the configuration.
    pub(super) fn new(settings: &config::Callbacks) -> Self {
        Self { total: settings.total, attempts_max: settings.attempts_max }
    }
}

/// What follows an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NextStep {
    /// Nothing: the callback is delivered.
    Done,
    /// Another attempt.
    Retry {
        /// The pause before it.
        after: Duration,
    },
    /// Nothing: the callback is given up.
    GiveUp,
}

/// Decides what follows an attempt with this `result`.
///
/// There is no attempt after the time limit, and none is pulled forward to fit into it: a
/// receiver that asked for a longer pause, or failed for so long, is not helped by one more
/// request. What another worker or a fixed configuration may be able to send is retried like
/// what a receiver refused.
pub(super) fn decide(result: AttemptResult, input: AttemptInput, limits: Limits) -> NextStep {
    let Some(reason) = result.reason() else { return NextStep::Done };
    let is_final = matches!(reason, Reason::Gone | Reason::Damaged | Reason::Superseded);
    if is_final || input.attempt >= limits.attempts_max {
        return NextStep::GiveUp;
    }
    let asked = match result {
        AttemptResult::Answered { status: 429 | 502 | 503 | 504, retry_after } => retry_after,
        AttemptResult::Answered { .. } | AttemptResult::Failed(_) => None,
    };
    let after = BACKOFF.pause(input.attempt, input.chance).max(asked.unwrap_or_default());
    if input.elapsed.saturating_add(after) > limits.total {
        return NextStep::GiveUp;
    }
    NextStep::Retry { after }
}

/// Reads a `Retry-After`: seconds, or a date in one of the three forms of HTTP (RFC 9110,
/// sections 10.2.3 and 5.6.7). Returns `None` for anything else.
pub(super) fn retry_after(text: &str, now: SystemTime) -> Option<Duration> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More seconds than fit are longer than any limit.
        return Some(text.parse().map_or(Duration::MAX, Duration::from_secs));
    }
    let at = httpdate::parse_http_date(text).ok()?;
    Some(at.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests;
