//! Login codes and phone codes, and their life.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::{action::Action, errcode, lock::locked};

/// What a call does to a code that is still good.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// Nothing: the code stays good.
    Look,
    /// Uses it up; the caller gets what it stands for.
    Exchange,
    /// Uses it up; the caller gets nothing.
    Burn,
}

impl From<&Action> for Use {
    fn from(action: &Action) -> Self {
        match action {
            action if action.is_normal() => Self::Exchange,
            action if action.burns() => Self::Burn,
            _ => Self::Look,
        }
    }
}

/// What a login code yields.
#[derive(Clone)]
pub(crate) struct Session {
    pub(crate) key: Box<str>,
    pub(crate) openid: Box<str>,
    pub(crate) unionid: Option<Box<str>>,
}

/// What a phone code yields.
#[derive(Clone)]
pub(crate) struct TappedPhone {
    /// Who tapped.
    pub(crate) openid: Box<str>,
    /// `phone_info` as JSON.
    pub(crate) phone_info: Box<str>,
}

struct Entry<T> {
    app_id: Box<str>,
    yields: T,
    minted: Instant,
    ends: Instant,
    calls: u32,
    exchanges: u32,
    used: bool,
}

/// All codes of one kind that are remembered.
pub(crate) struct Codes<T> {
    entries: Mutex<HashMap<Box<str>, Entry<T>>>,
    bound: usize,
    /// What WeChat answers when the code was minted for another app.
    wrong_app: i64,
}

impl<T> Codes<T> {
    pub(crate) fn new(bound: usize, wrong_app: i64) -> Self {
        Self { entries: Mutex::default(), bound: bound.max(1), wrong_app }
    }

    pub(crate) fn insert(&self, app_id: &str, code: &str, yields: T, life: Duration) {
        let minted = Instant::now();
        let entry = Entry {
            app_id: app_id.into(),
            yields,
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
        entries.insert(code.into(), entry);
    }

    /// A call named this code, whatever becomes of it.
    pub(crate) fn named(&self, code: &str) {
        if let Some(entry) = locked(&self.entries).get_mut(code) {
            entry.calls = entry.calls.saturating_add(1);
        }
    }

    /// What it stood for never reached its caller: the code was burnt after all.
    pub(crate) fn mark_lost(&self, code: &str) {
        if let Some(entry) = locked(&self.entries).get_mut(code) {
            entry.exchanges = entry.exchanges.saturating_sub(1);
        }
    }

    /// Calls that named this code, and how many of them were given what it stands for.
    pub(crate) fn tally(&self, code: &str) -> (u32, u32) {
        locked(&self.entries).get(code).map_or((0, 0), |entry| (entry.calls, entry.exchanges))
    }
}

impl<T: Clone> Codes<T> {
    /// Looks a code up for an app and, if `check` has no objection, uses it as told; else the error number
    /// that WeChat answers.
    pub(crate) fn take(
        &self,
        app_id: &str,
        code: &str,
        using: Use,
        check: impl FnOnce(&T) -> Result<(), i64>,
    ) -> Result<T, i64> {
        let mut entries = locked(&self.entries);
        let entry = entries.get_mut(code).ok_or(errcode::INVALID_CODE)?;
        if *entry.app_id != *app_id {
            return Err(self.wrong_app);
        }
        if Instant::now() >= entry.ends {
            return Err(errcode::INVALID_CODE);
        }
        if entry.used {
            return Err(errcode::CODE_BEEN_USED);
        }
        check(&entry.yields)?;
        entry.used = using != Use::Look;
        entry.exchanges += u32::from(using == Use::Exchange);
        Ok(entry.yields.clone())
    }
}

/// Makes room for an eighth of the bound: so much at once that the sweep costs little per code.
fn forget<T>(entries: &mut HashMap<Box<str>, Entry<T>>, bound: usize, now: Instant) {
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
