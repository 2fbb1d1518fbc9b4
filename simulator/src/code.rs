//! Login codes and their life.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::errcode;
use crate::lock::locked;
use crate::login::Login;

/// What a call does to a code that is still good.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// Nothing: the code stays good.
    Look,
    /// Uses it up; the caller gets the session.
    Exchange,
    /// Uses it up; the caller gets nothing.
    Burn,
}

/// What a code yields.
#[derive(Clone)]
pub(crate) struct Session {
    pub(crate) key: String,
    pub(crate) openid: String,
    pub(crate) unionid: Option<String>,
}

struct Entry {
    app_id: Box<str>,
    openid: Box<str>,
    unionid: Option<Box<str>>,
    session_key: Box<str>,
    minted: Instant,
    ends: Instant,
    calls: u32,
    exchanges: u32,
    used: bool,
}

/// All codes that are remembered.
pub(crate) struct Codes {
    entries: Mutex<HashMap<Box<str>, Entry>>,
    bound: usize,
}

impl Codes {
    pub(crate) fn new(bound: usize) -> Self {
        Self { entries: Mutex::default(), bound: bound.max(1) }
    }

    pub(crate) fn insert(&self, app_id: &str, login: &Login, life: Duration) {
        let minted = Instant::now();
        let entry = Entry {
            app_id: app_id.into(),
            openid: login.openid.as_str().into(),
            unionid: login.unionid.as_deref().map(Into::into),
            session_key: login.session_key.as_str().into(),
            minted,
            ends: minted.checked_add(life).unwrap_or(minted),
            calls: 0,
            exchanges: 0,
            used: false,
        };
        let mut entries = locked(&self.entries);
        if entries.len() >= self.bound {
            forget(&mut entries, self.bound, minted);
        }
        entries.insert(login.code.as_str().into(), entry);
    }

    /// Looks a code up for an app and uses it as told; else the error number that WeChat answers.
    pub(crate) fn take(&self, app_id: &str, code: &str, using: Use) -> Result<Session, i64> {
        let mut entries = locked(&self.entries);
        let entry = entries.get_mut(code).ok_or(errcode::INVALID_CODE)?;
        entry.calls = entry.calls.saturating_add(1);
        if *entry.app_id != *app_id || Instant::now() >= entry.ends {
            return Err(errcode::INVALID_CODE);
        }
        if entry.used {
            return Err(errcode::CODE_BEEN_USED);
        }
        entry.used = using != Use::Look;
        entry.exchanges += u32::from(using == Use::Exchange);
        Ok(Session {
            key: entry.session_key.to_string(),
            openid: entry.openid.to_string(),
            unionid: entry.unionid.as_deref().map(str::to_owned),
        })
    }

    /// The session never reached its caller: the code was burnt after all.
    pub(crate) fn mark_lost(&self, code: &str) {
        if let Some(entry) = locked(&self.entries).get_mut(code) {
            entry.exchanges = entry.exchanges.saturating_sub(1);
        }
    }

    /// Calls that named this code, and how many of them were given the session.
    pub(crate) fn tally(&self, code: &str) -> (u32, u32) {
        locked(&self.entries).get(code).map_or((0, 0), |entry| (entry.calls, entry.exchanges))
    }
}

/// Makes room for an eighth of the bound: so much at once that the sweep costs little per code.
fn forget(entries: &mut HashMap<Box<str>, Entry>, bound: usize, now: Instant) {
    let goal = bound - bound.div_ceil(8);
    entries.retain(|_, entry| now < entry.ends);
    if entries.len() > goal {
        let mut surplus = entries.len() - goal;
        entries.retain(|_, entry| {
            let drop = entry.used && surplus > 0;
            surplus -= usize::from(drop);
            !drop
        });
    }
    if entries.len() > goal {
        let surplus = entries.len() - goal;
        let mut times: Vec<Instant> = entries.values().map(|entry| entry.minted).collect();
        let (_, newest_to_drop, _) = times.select_nth_unstable(surplus - 1);
        let newest_to_drop = *newest_to_drop;
        entries.retain(|_, entry| entry.minted > newest_to_drop);
    }
}
