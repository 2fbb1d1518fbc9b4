//! Access tokens of apps, as `stable_token` issues them.
//!
//! Source: `/doc/service/api/base/api_getstableaccesstoken.html` and
//! `/minigame/dev/api-backend/open-api/access-token/auth.getStableAccessToken.html`.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::{errcode, identifier};

/// The longest life of a token, and the usual one.
pub(crate) const LIFE_MAX: Duration = Duration::from_hours(2);
/// How long before its end a token is replaced, and how long the old one then still works.
const OVERLAP: Duration = Duration::from_mins(5);
/// A forced refresh sooner than this after another gives the same token again.
const FORCE_INTERVAL: Duration = Duration::from_secs(30);
const FORCED_A_DAY_MAX: u32 = 20;
const DAY: Duration = Duration::from_hours(24);
/// How many apps, and how many tokens, are remembered.
const REMEMBERED_MAX: usize = 100_000;

/// The access tokens of all apps, valid ones and old ones.
pub(crate) struct AccessTokens {
    state: Mutex<State>,
    life: Duration,
    overlap: Duration,
    minted: AtomicU64,
}

#[derive(Default)]
struct State {
    apps: HashMap<Box<str>, AppTokens>,
    known: HashMap<Box<str>, Token>,
    /// The known tokens, oldest first.
    order: VecDeque<Box<str>>,
}

#[derive(Default)]
struct AppTokens {
    current: Box<str>,
    last_forced: Option<Instant>,
    day_began: Option<Instant>,
    forced_that_day: u32,
}

struct Token {
    app_id: Box<str>,
    ends: Instant,
    revoked: bool,
}

/// A way to make an app's tokens invalid.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Invalidation {
    /// Their use is answered 40001.
    Revoked,
    /// Their use is answered 42001.
    Expired,
}

/// A token and its remaining life.
pub(crate) struct IssuedToken {
    pub(crate) token: Box<str>,
    /// The remaining life in whole seconds, rounded down.
    pub(crate) expires_in: u64,
}

impl AccessTokens {
    /// Creates an empty set of tokens with this life, at most two hours. The overlap is five
    /// minutes, or a quarter of the life if that is shorter.
    pub(crate) fn new(life: Duration) -> Self {
        let life = life.min(LIFE_MAX);
        Self {
            state: Mutex::default(),
            life,
            overlap: OVERLAP.min(life / 4),
            minted: AtomicU64::new(0),
        }
    }

    /// Returns the app's token: a new one if there is none or it ends soon.
    pub(crate) fn issue(&self, app_id: &str) -> IssuedToken {
        self.issue_at(&mut self.state.lock(), app_id, Instant::now())
    }

    /// Replaces the app's token, unless it was forced to be replaced a moment ago. Fails with the
    /// error number that WeChat answers.
    pub(crate) fn force_refresh(&self, app_id: &str) -> Result<IssuedToken, i64> {
        let now = Instant::now();
        let mut state = self.state.lock();
        if state.app(app_id).may_force(now)? {
            state.revoke_current(app_id, now);
        }
        Ok(self.issue_at(&mut state, app_id, now))
    }

    /// Returns the app's token at a time: a new one if there is none or it ends soon.
    fn issue_at(&self, state: &mut State, app_id: &str, now: Instant) -> IssuedToken {
        let current = state.app(app_id).current.clone();
        if let Some(token) = state.known.get_mut(&current)
            && token.is_valid(now)
        {
            if token.ends > now + self.overlap {
                let expires_in = token.ends.duration_since(now).as_secs();
                return IssuedToken { token: current, expires_in };
            }
            token.ends = now + self.overlap;
        }
        let token: Box<str> = identifier::access_token().into();
        self.minted.fetch_add(1, Ordering::Relaxed);
        state.remember(
            token.clone(),
            Token { app_id: app_id.into(), ends: now + self.life, revoked: false },
        );
        state.app(app_id).current.clone_from(&token);
        IssuedToken { token, expires_in: self.life.as_secs() }
    }

    /// Returns the app that a token belongs to. Fails with the error number that WeChat answers.
    ///
    /// Text that cannot be a token is answered 40014. A token that was revoked, was replaced by
    /// force, or was never issued here is answered 40001, one that has expired 42001. The
    /// documentation names the three numbers and does not say which is used when.
    pub(crate) fn check(&self, token: &str) -> Result<Box<str>, i64> {
        if token.is_empty() {
            return Err(errcode::ACCESS_TOKEN_MISSING);
        }
        match self.state.lock().known.get(token) {
            None if !identifier::looks_like_access_token(token) => {
                Err(errcode::INVALID_ACCESS_TOKEN)
            }
            None => Err(errcode::INVALID_CREDENTIAL),
            Some(known) if known.revoked => Err(errcode::INVALID_CREDENTIAL),
            Some(known) if !known.is_valid(Instant::now()) => Err(errcode::ACCESS_TOKEN_EXPIRED),
            Some(known) => Ok(known.app_id.clone()),
        }
    }

    /// Makes the app's valid tokens invalid. Returns whether there were any.
    pub(crate) fn invalidate(&self, app_id: &str, invalidation: Invalidation) -> bool {
        let now = Instant::now();
        let mut state = self.state.lock();
        let mut any = false;
        for token in state.known.values_mut() {
            if *token.app_id == *app_id && token.is_valid(now) {
                any = true;
                match invalidation {
                    Invalidation::Revoked => token.revoked = true,
                    Invalidation::Expired => token.ends = now,
                }
            }
        }
        any
    }

    /// Returns how many different tokens were made.
    pub(crate) fn minted(&self) -> u64 {
        self.minted.load(Ordering::Relaxed)
    }
}

impl State {
    /// Returns the tokens of an app, which may be new.
    fn app(&mut self, app_id: &str) -> &mut AppTokens {
        if self.apps.len() >= REMEMBERED_MAX && !self.apps.contains_key(app_id) {
            // As if each had lost its token: the next call issues a new one.
            self.apps.clear();
        }
        self.apps.entry(app_id.into()).or_default()
    }

    /// Revokes the app's current token if it is valid.
    fn revoke_current(&mut self, app_id: &str, now: Instant) {
        let current = self.app(app_id).current.clone();
        if let Some(token) = self.known.get_mut(&current)
            && token.is_valid(now)
        {
            token.revoked = true;
        }
    }

    /// Adds a token, and forgets the oldest if there are too many.
    fn remember(&mut self, text: Box<str>, token: Token) {
        if self.order.len() >= REMEMBERED_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        self.order.push_back(text.clone());
        self.known.insert(text, token);
    }
}

impl AppTokens {
    /// Returns whether a forced refresh gives a new token, and counts it. Too soon after another it
    /// gives the same token; too often a day it is an error.
    fn may_force(&mut self, now: Instant) -> Result<bool, i64> {
        if self.last_forced.is_some_and(|last| now.duration_since(last) < FORCE_INTERVAL) {
            return Ok(false);
        }
        if self.day_began.is_none_or(|began| now.duration_since(began) >= DAY) {
            self.day_began = Some(now);
            self.forced_that_day = 0;
        }
        if self.forced_that_day >= FORCED_A_DAY_MAX {
            return Err(errcode::DAILY_QUOTA);
        }
        self.forced_that_day += 1;
        self.last_forced = Some(now);
        Ok(true)
    }
}

impl Token {
    /// Returns whether the token is valid at a time.
    fn is_valid(&self, now: Instant) -> bool {
        !self.revoked && now < self.ends
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_is_replaced_by_force_or_at_its_end() {
        let tokens = AccessTokens::new(LIFE_MAX);
        let first = tokens.issue("app").token;
        assert_eq!(tokens.issue("app").token, first);

        let second = tokens.force_refresh("app").map(|issued| issued.token).unwrap();
        assert_ne!(second, first);
        assert_eq!(tokens.check(&first), Err(errcode::INVALID_CREDENTIAL));
        assert_eq!(tokens.force_refresh("app").map(|issued| issued.token), Ok(second.clone()));

        assert!(tokens.invalidate("app", Invalidation::Expired));
        assert!(!tokens.invalidate("app", Invalidation::Expired));
        assert_eq!(tokens.check(&second), Err(errcode::ACCESS_TOKEN_EXPIRED));
        assert_ne!(tokens.issue("app").token, second);
        assert_eq!(tokens.minted(), 3);
    }

    #[test]
    fn forced_refreshes_are_limited_to_twenty_a_day() {
        let (mut app, mut now) = (AppTokens::default(), Instant::now());
        for _ in 0..FORCED_A_DAY_MAX {
            assert_eq!(app.may_force(now), Ok(true));
            assert_eq!(app.may_force(now), Ok(false));
            now += FORCE_INTERVAL;
        }
        assert_eq!(app.may_force(now), Err(errcode::DAILY_QUOTA));
        assert_eq!(app.may_force(now + DAY), Ok(true));
    }
}
