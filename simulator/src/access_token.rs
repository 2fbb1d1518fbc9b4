//! Access tokens of apps, as `stable_token` hands them out.
//!
//! Source: `/doc/service/api/base/api_getstableaccesstoken.html` and
//! `/minigame/dev/api-backend/open-api/access-token/auth.getStableAccessToken.html`.

use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::{counts::TokenCounts, errcode, identifier, ledger::Tally, lock::locked};

/// The longest life of a token, and the usual one.
pub(crate) const LONGEST_LIFE: Duration = Duration::from_hours(2);
/// So long before its end a token is replaced, and so long the old one then still works.
const OVERLAP: Duration = Duration::from_mins(5);
/// Forced refreshes that follow each other sooner than this give the same token again.
const FORCE_INTERVAL: Duration = Duration::from_secs(30);
const FORCED_A_DAY_MAX: u32 = 20;
const DAY: Duration = Duration::from_hours(24);
/// How many apps, and how many tokens, are remembered.
const REMEMBERED_MAX: usize = 100_000;

/// All tokens, valid ones and old ones.
pub(crate) struct Tokens {
    state: Mutex<State>,
    life: Duration,
    overlap: Duration,
    minted: AtomicU64,
    forced: AtomicU64,
}

#[derive(Default)]
struct State {
    apps: HashMap<Box<str>, AppTokens>,
    known: HashMap<Box<str>, Token>,
    /// The known ones, oldest first.
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

/// How an app's tokens are made useless.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Answered 40001 from now on.
    Revoked,
    /// Answered 42001 from now on.
    Expired,
}

/// A token and how much longer it works.
pub(crate) struct Granted {
    pub(crate) token: Box<str>,
    /// Whole seconds, rounded down.
    pub(crate) expires_in: u64,
}

impl Tokens {
    /// Tokens live so long, at most two hours. The overlap is five minutes, of a short life a quarter.
    pub(crate) fn new(life: Duration) -> Self {
        let life = life.min(LONGEST_LIFE);
        Self {
            state: Mutex::default(),
            life,
            overlap: OVERLAP.min(life / 4),
            minted: AtomicU64::new(0),
            forced: AtomicU64::new(0),
        }
    }

    /// The app's token, a new one when there is none, when it ends soon, or by force; else the error number
    /// that WeChat answers.
    pub(crate) fn fetch(&self, app_id: &str, force: bool) -> Result<Granted, i64> {
        let now = Instant::now();
        let mut state = locked(&self.state);
        let forced = force && state.app(app_id).may_force(now)?;
        let current = state.app(app_id).current.clone();
        if let Some(token) = state.known.get_mut(&current)
            && token.works(now)
        {
            if forced {
                token.revoked = true;
            } else if token.ends > now + self.overlap {
                let expires_in = token.ends.duration_since(now).as_secs();
                return Ok(Granted { token: current, expires_in });
            } else {
                token.ends = now + self.overlap;
            }
        }
        let token: Box<str> = identifier::access_token().into();
        self.minted.fetch_add(1, Ordering::Relaxed);
        state.remember(
            token.clone(),
            Token { app_id: app_id.into(), ends: now + self.life, revoked: false },
        );
        state.app(app_id).current.clone_from(&token);
        Ok(Granted { token, expires_in: self.life.as_secs() })
    }

    /// Whose token this is; else the error number that WeChat answers.
    ///
    /// What never was a token is 40014, one that was revoked, replaced by force or is from elsewhere 40001,
    /// one that lived its life 42001. The documentation names the three and not which is when.
    pub(crate) fn check(&self, token: &str) -> Result<Box<str>, i64> {
        if token.is_empty() {
            return Err(errcode::ACCESS_TOKEN_MISSING);
        }
        match locked(&self.state).known.get(token) {
            None if !identifier::looks_like_access_token(token) => {
                Err(errcode::INVALID_ACCESS_TOKEN)
            }
            None => Err(errcode::INVALID_CREDENTIAL),
            Some(known) if known.revoked => Err(errcode::INVALID_CREDENTIAL),
            Some(known) if !known.works(Instant::now()) => Err(errcode::ACCESS_TOKEN_EXPIRED),
            Some(known) => Ok(known.app_id.clone()),
        }
    }

    /// Makes the app's working tokens useless; whether there were any.
    pub(crate) fn end(&self, app_id: &str, ending: Ending) -> bool {
        let now = Instant::now();
        let mut state = locked(&self.state);
        let mut any = false;
        for token in state.known.values_mut() {
            if *token.app_id == *app_id && token.works(now) {
                any = true;
                match ending {
                    Ending::Revoked => token.revoked = true,
                    Ending::Expired => token.ends = now,
                }
            }
        }
        any
    }

    /// A call asked for a forced refresh.
    pub(crate) fn count_forced(&self) {
        self.forced.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn counts(&self, tally: Tally) -> TokenCounts {
        TokenCounts {
            fetches: tally.calls,
            force_refreshes: self.forced.load(Ordering::Relaxed),
            given: tally.given,
            minted: self.minted.load(Ordering::Relaxed),
            unanswered: tally.unanswered,
            by_errcode: tally.by_errcode,
        }
    }
}

impl State {
    fn app(&mut self, app_id: &str) -> &mut AppTokens {
        if self.apps.len() >= REMEMBERED_MAX && !self.apps.contains_key(app_id) {
            // As if each had lost its token: the next fetch makes a new one.
            self.apps.clear();
        }
        self.apps.entry(app_id.into()).or_default()
    }

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
    /// Whether a forced refresh refreshes: too soon after the last it gives the same token again, too often a
    /// day it is an error.
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
    fn works(&self, now: Instant) -> bool {
        !self.revoked && now < self.ends
    }
}
