//! The simulated WeChat itself, without any network.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::call::{Answer, Call, Ledger};
use crate::cipher::CipherError;
use crate::code::Codes;
use crate::errcode;
use crate::guest::{Guest, GuestSpec};
use crate::identifier;
use crate::login::{KeyChoice, Login, LoginSpec};
use crate::options::Options;
use crate::payload::PhonePayload;
use crate::script::Script;
use crate::session::{SessionKeys, random_key};

pub(crate) struct Platform {
    pub(crate) options: Options,
    pub(crate) codes: Codes,
    pub(crate) keys: SessionKeys,
    pub(crate) script: Script,
    pub(crate) ledger: Ledger,
    secrets: HashMap<String, String>,
    users: AtomicU64,
}

impl Platform {
    pub(crate) fn new(options: Options) -> Self {
        Self {
            codes: Codes::new(options.max_codes),
            keys: SessionKeys::new(options.max_codes),
            script: Script::default(),
            ledger: Ledger::new(options.max_calls),
            secrets: options
                .apps
                .iter()
                .map(|app| (app.app_id.clone(), app.secret.clone()))
                .collect(),
            users: AtomicU64::new(0),
            options,
        }
    }

    pub(crate) fn knows_app(&self, app_id: &str) -> bool {
        self.options.accept_any_app || self.secrets.contains_key(app_id)
    }

    /// Checks an app's credentials; else the error number that WeChat answers.
    pub(crate) fn check_app(&self, app_id: &str, secret: &str) -> Result<(), i64> {
        if self.options.accept_any_app {
            return Ok(());
        }
        match self.secrets.get(app_id) {
            None => Err(errcode::INVALID_APPID),
            Some(known) if known != secret => Err(errcode::INVALID_APPSECRET),
            Some(_) => Ok(()),
        }
    }

    pub(crate) fn login(&self, spec: &LoginSpec) -> Login {
        let openid = spec.openid.clone().unwrap_or_else(|| {
            identifier::openid(self.options.seed, &spec.app_id, self.next_user())
        });
        let replacement = match &spec.session_key {
            KeyChoice::Current => None,
            KeyChoice::Rotate => Some(random_key()),
            KeyChoice::Given(key) => Some(key.clone()),
        };
        let session_key = match replacement {
            Some(key) => {
                self.keys.replace(&spec.app_id, &openid, key.clone());
                key
            }
            None => self.keys.current(&spec.app_id, &openid),
        };
        let login = Login {
            code: identifier::login_code(),
            openid,
            unionid: spec.unionid.clone(),
            session_key,
        };
        self.codes.insert(&spec.app_id, &login, spec.life.unwrap_or(self.options.code_life));
        login
    }

    /// Fails only where a test gave this user a session key that is none.
    pub(crate) fn guest(&self, spec: GuestSpec) -> Result<Guest, CipherError> {
        let seed = self.options.seed;
        let number = self.next_user();
        let openid = spec.openid.unwrap_or_else(|| identifier::openid(seed, &spec.app_id, number));
        let unionid = identifier::unionid(seed, &openid);
        let phone = spec.phone.unwrap_or_else(|| identifier::mainland_mobile(seed, number));
        let tapped = PhonePayload::mainland(&spec.app_id, &phone)
            .encrypt(&self.keys.current(&spec.app_id, &openid))?;
        let login = self.login(&LoginSpec::new(&spec.app_id).openid(&openid).unionid(&unionid));
        Ok(Guest {
            app_id: spec.app_id,
            openid,
            unionid,
            phone,
            code: login.code,
            encrypted_data: tapped.encrypted_data,
            iv: tapped.iv,
            session_key: login.session_key,
        })
    }

    /// A connection was reset as soon as it was accepted.
    pub(crate) fn count_reset_on_accept(&self) {
        let at = self.ledger.arrived();
        self.ledger.ended(Answer::Reset, false);
        if let Some(at) = at {
            self.ledger.record(Call {
                at,
                app_id: String::new(),
                code: String::new(),
                answer: Answer::Reset,
            });
        }
    }

    fn next_user(&self) -> u64 {
        self.users.fetch_add(1, Ordering::Relaxed)
    }
}
