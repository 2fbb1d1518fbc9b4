//! When a token is fetched, used, renewed and dropped. Pure: the clock and chance are the
//! caller's.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use quhao_common::process::backoff::Backoff;

use super::value::{FetchedToken, Token};
use crate::{
    minute::MINUTE,
    platform::{CallFailure, PlatformError},
};

#[cfg(test)]
mod tests;

/// The shortest time between the beginnings of two fetches of one token, whatever is refused
/// meanwhile.
const FETCH_INTERVAL_MIN: Duration = Duration::from_millis(500);
/// The longest time before its end that a token is renewed: earlier the platform would return
/// the same one.
const RENEW_BEFORE_MAX: Duration = Duration::from_mins(5);
/// The shortest lifetime. A token that lives shorter is taken to live as long as this, so that
/// it is not fetched over and over.
const LIFETIME_MIN: Duration = Duration::from_secs(1);
/// The calls of the first fetch that fails, close together: a short interruption is no outage.
const FIRST_CALLS_MAX: u32 = 3;
/// The pauses between fetches that fail for a passing reason.
const PASSING_BACKOFF: Backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(2));
/// The pauses between fetches that the platform refuses.
const REFUSED_BACKOFF: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(30));

/// The state of one token.
#[derive(Debug, Default)]
pub(super) struct Lifecycle {
    current: Option<Current>,
    /// The number of tokens that were fetched so far.
    number: u64,
    is_fetching: bool,
    /// The time at which the last fetch began.
    began: Option<Instant>,
    /// The number of fetches in a row that failed.
    failures: u32,
    outage: Option<Outage>,
}

/// The token that is in use.
#[derive(Debug)]
struct Current {
    token: Token,
    ends: Instant,
    renew_at: Instant,
}

/// The last fetch failed.
#[derive(Debug)]
struct Outage {
    error: PlatformError,
    /// The time until which no fetch begins.
    until: Instant,
}

/// A fetch to be started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FetchPlan {
    /// The pause before it.
    pub(super) after: Duration,
    /// The largest number of calls.
    pub(super) calls_max: u32,
}

/// What a caller who needs the token does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TokenAction {
    /// It uses the token.
    Use,
    /// It uses the token, and starts a fetch meanwhile.
    Renew(FetchPlan),
    /// It starts a fetch, and waits for that.
    Fetch(FetchPlan),
    /// It waits for the fetch that is under way.
    Wait,
    /// It does without: there is no token, and the last fetch failed a short time ago, or
    /// another caller is just trying again.
    GiveUp(PlatformError),
}

/// What the pause after a failed fetch depends on: the clocks and chance.
#[derive(Debug, Clone, Copy)]
pub(super) struct FailureInput {
    /// The time now.
    pub(super) now: Instant,
    /// The time since the wall clock's minute began: quotas are counted by it.
    pub(super) into_minute: Duration,
    /// A fresh random number in `0.0..1.0`.
    pub(super) chance: f64,
}

impl Lifecycle {
    /// Decides what to do now. A fetch that it plans counts as under way.
    pub(super) fn next(&mut self, now: Instant) -> TokenAction {
        let may_fetch =
            !self.is_fetching && self.outage.as_ref().is_none_or(|outage| outage.until <= now);
        match self.current(now) {
            Some(current) if may_fetch && current.renew_at <= now => {
                TokenAction::Renew(self.plan_fetch(now))
            }
            Some(_) => TokenAction::Use,
            None if may_fetch => TokenAction::Fetch(self.plan_fetch(now)),
            None => match &self.outage {
                None => TokenAction::Wait,
                Some(outage) => TokenAction::GiveUp(outage.error.clone()),
            },
        }
    }

    fn plan_fetch(&mut self, now: Instant) -> FetchPlan {
        let earliest = self.began.map_or(now, |began| (began + FETCH_INTERVAL_MIN).max(now));
        self.is_fetching = true;
        self.began = Some(earliest);
        let calls_max = if self.failures == 0 { FIRST_CALLS_MAX } else { 1 };
        FetchPlan { after: earliest - now, calls_max }
    }

    /// Records that the fetch returned `fetched`, which lives from `since` on. Many processes
    /// renew tokens with the same end, so each does it at its own time, by `chance` (0 to 1).
    pub(super) fn fetched(&mut self, fetched: FetchedToken, since: Instant, chance: f64) {
        let lifetime = fetched.lifetime.max(LIFETIME_MIN);
        let before = RENEW_BEFORE_MAX.min(lifetime / 4).mul_f64(0.9 - 0.4 * chance);
        self.number += 1;
        self.current = Some(Current {
            token: Token { text: Arc::new(fetched.text), number: self.number },
            ends: since + lifetime,
            renew_at: since + lifetime.saturating_sub(before),
        });
        self.is_fetching = false;
        self.failures = 0;
        self.outage = None;
    }

    /// Records that the fetch failed with `error`.
    pub(super) fn failed(&mut self, error: PlatformError, input: FailureInput) {
        self.is_fetching = false;
        self.failures = self.failures.saturating_add(1);
        let pause = match error.failure {
            CallFailure::MinuteQuota => MINUTE.saturating_sub(input.into_minute),
            CallFailure::Final(_) => REFUSED_BACKOFF.pause(self.failures, input.chance),
            _ => PASSING_BACKOFF.pause(self.failures, input.chance),
        };
        self.outage = Some(Outage { error, until: input.now + pause });
    }

    /// Returns the token, if there is one that may be used.
    pub(super) fn token(&self, now: Instant) -> Option<Token> {
        self.current(now).map(|current| current.token.clone())
    }

    /// Records that the platform refused `token`: it is dropped, unless there is another by now.
    pub(super) fn refused(&mut self, token: &Token) {
        self.current.take_if(|current| current.token.number == token.number);
    }

    /// Returns the error of the last fetch, if it failed.
    pub(super) fn error(&self) -> Option<&PlatformError> {
        self.outage.as_ref().map(|outage| &outage.error)
    }

    /// Returns whether dropping it would lose anything.
    pub(super) fn is_in_use(&self, now: Instant) -> bool {
        self.is_fetching || self.current(now).is_some()
    }

    fn current(&self, now: Instant) -> Option<&Current> {
        self.current.as_ref().filter(|current| now < current.ends)
    }
}
