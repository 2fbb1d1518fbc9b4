//! When a token is fetched, used, renewed and dropped. Pure: the clock and chance are the
//! caller's.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use quhao_common::process::backoff::Backoff;

use super::{Fetched, Token};
use crate::platform::{ExchangeError, Trouble};

/// Two fetches of one token do not begin closer together, whatever is refused meanwhile.
pub const FETCH_INTERVAL_MIN: Duration = Duration::from_millis(500);
/// A token is not renewed earlier before its end: the platform would give the same one.
const RENEW_BEFORE_MAX: Duration = Duration::from_mins(5);
/// What is less than this is taken for this: nothing comes of fetching in a circle.
const LIFE_MIN: Duration = Duration::from_secs(1);
/// Calls of the first fetch that fails, close together: a blip is no outage.
const FIRST_CALLS_MAX: u32 = 3;
/// Between fetches that fail because of a passing trouble.
const PASSING: Backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(2));
/// Between fetches that the platform has refused.
const REFUSED: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(30));

/// What is known of one token.
#[derive(Debug, Default)]
pub struct State {
    held: Option<Held>,
    number: u64,
    fetching: bool,
    began: Option<Instant>,
    failures: u32,
    /// The last fetch gave none: why, and until when none is begun.
    outage: Option<(ExchangeError, Instant)>,
}

#[derive(Debug)]
struct Held {
    token: Token,
    ends: Instant,
    renew_at: Instant,
}

/// A fetch to be begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// How long to wait before.
    pub after: Duration,
    /// How often it may call.
    pub calls_max: u32,
}

/// What somebody who needs the token does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Use it.
    Use,
    /// Use it, and have it fetched anew meanwhile.
    Renew(Plan),
    /// Have it fetched, and wait for that.
    Fetch(Plan),
    /// Wait for the fetch that is under way.
    Wait,
    /// Do without: there is none, and it was not long ago that none was to be had, or
    /// somebody else is just trying.
    DoWithout(ExchangeError),
}

impl State {
    /// What to do now. A fetch that it tells to begin counts as under way.
    pub fn next(&mut self, now: Instant) -> Next {
        let held = self.held.as_ref().filter(|held| now < held.ends);
        let may_fetch =
            !self.fetching && self.outage.as_ref().is_none_or(|(_, until)| *until <= now);
        match held {
            Some(held) if may_fetch && held.renew_at <= now => Next::Renew(self.begin(now)),
            Some(_) => Next::Use,
            None if may_fetch => Next::Fetch(self.begin(now)),
            None => match &self.outage {
                None => Next::Wait,
                Some((error, _)) => Next::DoWithout(error.clone()),
            },
        }
    }

    fn begin(&mut self, now: Instant) -> Plan {
        let earliest = self.began.map_or(now, |began| (began + FETCH_INTERVAL_MIN).max(now));
        self.fetching = true;
        self.began = Some(earliest);
        let calls_max = if self.failures == 0 { FIRST_CALLS_MAX } else { 1 };
        Plan { after: earliest - now, calls_max }
    }

    /// The fetch gave `fetched`, which lives from `since` on. Tokens of one life are renewed
    /// by many processes, so each does it at its own time, by `chance` (0 to 1).
    pub fn fetched(&mut self, fetched: Fetched, since: Instant, chance: f64) {
        let life = fetched.life.max(LIFE_MIN);
        let ends = since + life;
        let before = RENEW_BEFORE_MAX.min(life / 4).mul_f64(0.9 - 0.4 * chance);
        let renew_at = since + life.saturating_sub(before);
        self.number += 1;
        let token = Token { text: Arc::new(fetched.text), number: self.number };
        self.held = Some(Held { token, ends, renew_at });
        self.fetching = false;
        self.failures = 0;
        self.outage = None;
    }

    /// The fetch gave none. `into_minute` is how far the wall clock is into its minute, by
    /// which quotas are counted.
    pub fn failed(
        &mut self,
        error: ExchangeError,
        now: Instant,
        into_minute: Duration,
        chance: f64,
    ) {
        self.fetching = false;
        self.failures = self.failures.saturating_add(1);
        let pause = match error.trouble {
            Trouble::MinuteQuota => Duration::from_mins(1).saturating_sub(into_minute),
            Trouble::Final(_) => REFUSED.pause(self.failures, chance),
            _ => PASSING.pause(self.failures, chance),
        };
        self.outage = Some((error, now + pause));
    }

    /// The token, if there is one that may be used.
    pub fn token(&self, now: Instant) -> Option<Token> {
        self.held.as_ref().filter(|held| now < held.ends).map(|held| held.token.clone())
    }

    /// The platform refused `token`: it is dropped, unless there is another by now.
    pub fn refused(&mut self, token: &Token) {
        self.held.take_if(|held| held.token.number == token.number);
    }

    /// Why the last fetch gave none.
    pub fn trouble(&self) -> Option<&ExchangeError> {
        self.outage.as_ref().map(|(error, _)| error)
    }

    /// Whether forgetting it would lose anything.
    pub fn is_in_use(&self, now: Instant) -> bool {
        self.fetching || self.token(now).is_some()
    }
}
