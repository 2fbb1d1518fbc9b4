//! Login codes and phone codes, and their life.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::errcode;
use crate::script::action::Action;

/// The effect of a call on a valid code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CodeUse {
    /// The code stays valid.
    Keep,
    /// The code is used up, and the caller gets what it yields.
    Exchange,
    /// The code is used up, and the caller gets nothing.
    Burn,
}

impl From<&Action> for CodeUse {
    fn from(action: &Action) -> Self {
        match action {
            action if action.is_normal() => Self::Exchange,
            action if action.burns() => Self::Burn,
            _ => Self::Keep,
        }
    }
}

/// A session: what a login code yields.
#[derive(Clone)]
pub(crate) struct Session {
    pub(crate) key: Box<str>,
    pub(crate) openid: Box<str>,
    pub(crate) unionid: Option<Box<str>>,
}

/// A user's phone number: what a phone code yields.
#[derive(Clone)]
pub(crate) struct TappedPhone {
    /// The user who tapped.
    pub(crate) openid: Box<str>,
    /// `phone_info` as JSON.
    pub(crate) phone_info: Box<str>,
}

/// The calls that named a code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CodeCalls {
    /// All of them.
    pub(crate) calls: u32,
    /// Those whose caller was given what the code yields.
    pub(crate) exchanges: u32,
}

struct Entry<T> {
    app_id: Box<str>,
    yields: T,
    minted: Instant,
    ends: Instant,
    counts: CodeCalls,
    used: bool,
}

/// The codes of one kind.
pub(crate) struct Codes<T> {
    entries: Mutex<HashMap<Box<str>, Entry<T>>>,
    capacity: usize,
    /// The error number for a code that was minted for another app.
    wrong_app: i64,
}

impl<T> Codes<T> {
    /// Creates an empty set of at most `capacity` codes; `wrong_app` is the error number for a
    /// code that was minted for another app.
    pub(crate) fn new(capacity: usize, wrong_app: i64) -> Self {
        Self { entries: Mutex::default(), capacity: capacity.max(1), wrong_app }
    }

    /// Adds a code, and forgets others if there are too many.
    pub(crate) fn insert(&self, app_id: &str, code: &str, yields: T, life: Duration) {
        let minted = Instant::now();
        let entry = Entry {
            app_id: app_id.into(),
            yields,
            minted,
            ends: minted.checked_add(life).unwrap_or(minted),
            counts: CodeCalls::default(),
            used: false,
        };
        let mut entries = self.entries.lock();
        if entries.len() >= self.capacity {
            forget(&mut entries, self.capacity, minted);
        }
        entries.insert(code.into(), entry);
    }

    /// Counts a call that named this code, whatever becomes of the call.
    pub(crate) fn count_call(&self, code: &str) {
        if let Some(entry) = self.entries.lock().get_mut(code) {
            entry.counts.calls = entry.counts.calls.saturating_add(1);
        }
    }

    /// Takes back the count of an exchange whose answer never reached its caller.
    pub(crate) fn uncount_exchange(&self, code: &str) {
        if let Some(entry) = self.entries.lock().get_mut(code) {
            entry.counts.exchanges = entry.counts.exchanges.saturating_sub(1);
        }
    }

    /// Returns the numbers of calls that named this code, as long as it is remembered.
    pub(crate) fn counts(&self, code: &str) -> CodeCalls {
        self.entries.lock().get(code).map(|entry| entry.counts).unwrap_or_default()
    }
}

impl<T: Clone> Codes<T> {
    /// Uses an app's code, if it is valid and `check` accepts what it yields, and returns what it
    /// yields. Fails with the error number that WeChat answers.
    pub(crate) fn use_code(
        &self,
        app_id: &str,
        code: &str,
        code_use: CodeUse,
        check: impl FnOnce(&T) -> Result<(), i64>,
    ) -> Result<T, i64> {
        let mut entries = self.entries.lock();
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
        entry.used = code_use != CodeUse::Keep;
        entry.counts.exchanges += u32::from(code_use == CodeUse::Exchange);
        Ok(entry.yields.clone())
    }
}

/// Removes an eighth of `capacity`, so that the sweep costs little per code: expired codes first,
/// then used ones, then the oldest.
fn forget<T>(entries: &mut HashMap<Box<str>, Entry<T>>, capacity: usize, now: Instant) {
    let goal = capacity - capacity.div_ceil(8);
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

#[cfg(test)]
mod tests {
    use super::*;

    const LIFE: Duration = Duration::from_mins(5);
    const WRONG_APP: i64 = errcode::INVALID_APPID;

    fn use_code(codes: &Codes<u8>, code: &str, code_use: CodeUse) -> Result<u8, i64> {
        codes.use_code("app", code, code_use, |_| Ok(()))
    }

    #[test]
    fn code_is_exchanged_once() {
        let codes = Codes::new(8, WRONG_APP);
        codes.insert("app", "code", 7, LIFE);

        assert_eq!(use_code(&codes, "code", CodeUse::Keep), Ok(7));
        assert_eq!(use_code(&codes, "code", CodeUse::Exchange), Ok(7));
        assert_eq!(use_code(&codes, "code", CodeUse::Exchange), Err(errcode::CODE_BEEN_USED));
        assert_eq!(codes.counts("code").exchanges, 1);
        codes.uncount_exchange("code");
        assert_eq!(codes.counts("code").exchanges, 0);
    }

    #[test]
    fn refused_code_stays_valid() {
        let codes = Codes::new(8, WRONG_APP);
        codes.insert("app", "code", 7, LIFE);

        let other_app = codes.use_code("other", "code", CodeUse::Burn, |_| Ok(()));
        assert_eq!(other_app, Err(WRONG_APP));
        let refused =
            codes.use_code("app", "code", CodeUse::Burn, |_| Err(errcode::INVALID_OPENID));
        assert_eq!(refused, Err(errcode::INVALID_OPENID));
        assert_eq!(use_code(&codes, "code", CodeUse::Exchange), Ok(7));
    }

    #[test]
    fn expired_and_unknown_codes_are_invalid() {
        let codes = Codes::new(8, WRONG_APP);
        codes.insert("app", "expired", 7, Duration::ZERO);

        for code in ["expired", "unknown"] {
            assert_eq!(use_code(&codes, code, CodeUse::Exchange), Err(errcode::INVALID_CODE));
        }
    }

    #[test]
    fn expired_then_used_codes_are_forgotten_first() {
        let codes = Codes::new(3, WRONG_APP);
        codes.insert("app", "valid", 1, LIFE);
        codes.insert("app", "used", 2, LIFE);
        codes.insert("app", "expired", 3, Duration::ZERO);
        assert_eq!(use_code(&codes, "used", CodeUse::Burn), Ok(2));

        codes.insert("app", "new", 4, LIFE);
        assert_eq!(use_code(&codes, "used", CodeUse::Keep), Err(errcode::CODE_BEEN_USED));
        codes.insert("app", "newer", 5, LIFE);
        assert_eq!(use_code(&codes, "used", CodeUse::Keep), Err(errcode::INVALID_CODE));
        for (code, yields) in [("valid", 1), ("new", 4), ("newer", 5)] {
            assert_eq!(use_code(&codes, code, CodeUse::Keep), Ok(yields));
        }
    }
}
