//! The simulated WeChat itself, without any network.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::{
    access_token::Tokens,
    call::{Answer, Call},
    cipher::CipherError,
    code::{Codes, Session, TappedPhone},
    component::ComponentState,
    counts::TokenCounts,
    desk::Desk,
    endpoint::Endpoint,
    errcode,
    guest::{Guest, GuestSpec},
    identifier,
    login::{KeyChoice, Login, LoginSpec},
    options::Options,
    payload::PhonePayload,
    session::{SessionKeys, random_key},
    tap::{Tap, TapSpec},
};

pub(crate) struct Platform {
    pub(crate) options: Options,
    pub(crate) codes: Codes<Session>,
    pub(crate) phone_codes: Codes<TappedPhone>,
    pub(crate) keys: SessionKeys,
    pub(crate) tokens: Tokens,
    pub(crate) component: ComponentState,
    jscode2session: Desk,
    component_jscode2session: Desk,
    stable_token: Desk,
    getuserphonenumber: Desk,
    secrets: HashMap<String, String>,
    users: AtomicU64,
}

impl Platform {
    pub(crate) fn new(options: Options) -> Self {
        let desk = || Desk::new(options.max_calls);
        Self {
            codes: Codes::new(options.max_codes, errcode::INVALID_CODE),
            phone_codes: Codes::new(options.max_codes, errcode::INVALID_APPID),
            keys: SessionKeys::new(options.max_codes),
            tokens: Tokens::new(options.token_life),
            component: ComponentState::new(options.component.clone()),
            jscode2session: desk(),
            component_jscode2session: desk(),
            stable_token: desk(),
            getuserphonenumber: desk(),
            secrets: options
                .apps
                .iter()
                .map(|app| (app.app_id.clone(), app.secret.clone()))
                .collect(),
            users: AtomicU64::new(0),
            options,
        }
    }

    pub(crate) fn desk(&self, endpoint: Endpoint) -> &Desk {
        match endpoint {
            Endpoint::Jscode2session => &self.jscode2session,
            Endpoint::ComponentJscode2session => &self.component_jscode2session,
            Endpoint::StableToken => &self.stable_token,
            Endpoint::Getuserphonenumber => &self.getuserphonenumber,
        }
    }

    pub(crate) fn token_counts(&self) -> TokenCounts {
        self.tokens.counts(self.stable_token.ledger.tally())
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
        let session = Session {
            key: login.session_key.as_str().into(),
            openid: login.openid.as_str().into(),
            unionid: login.unionid.as_deref().map(Into::into),
        };
        let life = spec.life.unwrap_or(self.options.code_life);
        self.codes.insert(&spec.app_id, &login.code, session, life);
        login
    }

    pub(crate) fn tap(&self, spec: TapSpec) -> Tap {
        let seed = self.options.seed;
        let number = self.next_user();
        let openid = spec.openid.unwrap_or_else(|| identifier::openid(seed, &spec.app_id, number));
        let payload = spec.payload.unwrap_or_else(|| {
            PhonePayload::mainland(&spec.app_id, &identifier::mainland_mobile(seed, number))
        });
        let phone = payload.pure_phone_number.clone();
        let phone_code = self.mint_phone_code(&spec.app_id, &openid, payload, spec.life);
        Tap { app_id: spec.app_id, openid, phone, phone_code }
    }

    fn mint_phone_code(
        &self,
        app_id: &str,
        openid: &str,
        mut payload: PhonePayload,
        life: Option<Duration>,
    ) -> String {
        payload.country_code_as_number |= self.options.country_code_as_number;
        let tapped = TappedPhone { openid: openid.into(), phone_info: payload.to_json().into() };
        let code = identifier::phone_code();
        let life = life.unwrap_or(self.options.code_life);
        self.phone_codes.insert(app_id, &code, tapped, life);
        code
    }

    /// Fails only where a test gave this user a session key that is none.
    pub(crate) fn guest(&self, spec: GuestSpec) -> Result<Guest, CipherError> {
        let seed = self.options.seed;
        let number = self.next_user();
        let openid = spec.openid.unwrap_or_else(|| identifier::openid(seed, &spec.app_id, number));
        let unionid = identifier::unionid(seed, &openid);
        let phone = spec.phone.unwrap_or_else(|| identifier::mainland_mobile(seed, number));
        let payload = PhonePayload::mainland(&spec.app_id, &phone);
        let tapped = payload.encrypt(&self.keys.current(&spec.app_id, &openid))?;
        let phone_code = self.mint_phone_code(&spec.app_id, &openid, payload, None);
        let login = self.login(&LoginSpec::new(&spec.app_id).openid(&openid).unionid(&unionid));
        Ok(Guest {
            app_id: spec.app_id,
            openid,
            unionid,
            phone,
            code: login.code,
            encrypted_data: tapped.encrypted_data,
            iv: tapped.iv,
            phone_code,
            session_key: login.session_key,
        })
    }

    /// A connection was reset as soon as it was accepted.
    pub(crate) fn count_reset_on_accept(&self) {
        let ledger = &self.desk(Endpoint::Jscode2session).ledger;
        let at = ledger.arrived();
        ledger.ended(Answer::Reset, false);
        if let Some(at) = at {
            ledger.record(Call {
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
