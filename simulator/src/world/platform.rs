//! The simulated WeChat itself, without any network.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::counts::TokenCounts;
use super::frontend::Frontend;
use super::login::{KeyChoice, Login, LoginSpec};
use super::options::Options;
use super::phone_tap::{PhoneTap, PhoneTapSpec};
use super::user::{User, UserSpec};
use crate::wechat::access_token::AccessTokens;
use crate::wechat::cipher::CipherError;
use crate::wechat::code::{Codes, Session, TappedPhone};
use crate::wechat::component::ComponentState;
use crate::wechat::endpoint::Endpoint;
use crate::wechat::phone_payload::PhonePayload;
use crate::wechat::session_key::{SessionKeys, random_key};
use crate::wechat::{errcode, identifier};

/// The simulated WeChat: all that it knows of apps, users, codes, keys and tokens, and what was
/// called.
pub(crate) struct Platform {
    pub(crate) options: Options,
    pub(crate) login_codes: Codes<Session>,
    pub(crate) phone_codes: Codes<TappedPhone>,
    pub(crate) session_keys: SessionKeys,
    pub(crate) access_tokens: AccessTokens,
    pub(crate) component: ComponentState,
    jscode2session: Frontend,
    component_jscode2session: Frontend,
    stable_token: Frontend,
    getuserphonenumber: Frontend,
    secrets: HashMap<String, String>,
    users: AtomicU64,
}

impl Platform {
    /// Creates a WeChat without users.
    pub(crate) fn new(options: Options) -> Self {
        let frontend = || Frontend::new(options.calls_max);
        Self {
            login_codes: Codes::new(options.codes_max, errcode::INVALID_CODE),
            phone_codes: Codes::new(options.codes_max, errcode::INVALID_APPID),
            session_keys: SessionKeys::new(options.codes_max),
            access_tokens: AccessTokens::new(options.token_life),
            component: ComponentState::new(options.component.clone()),
            jscode2session: frontend(),
            component_jscode2session: frontend(),
            stable_token: frontend(),
            getuserphonenumber: frontend(),
            secrets: options
                .apps
                .iter()
                .map(|app| (app.app_id.clone(), app.secret.clone()))
                .collect(),
            users: AtomicU64::new(0),
            options,
        }
    }

    /// Returns the script and the call log of an endpoint.
    pub(crate) fn frontend(&self, endpoint: Endpoint) -> &Frontend {
        match endpoint {
            Endpoint::Jscode2session => &self.jscode2session,
            Endpoint::ComponentJscode2session => &self.component_jscode2session,
            Endpoint::StableToken => &self.stable_token,
            Endpoint::Getuserphonenumber => &self.getuserphonenumber,
        }
    }

    /// Returns the counters of `stable_token`.
    pub(crate) fn token_counts(&self) -> TokenCounts {
        TokenCounts::new(self.stable_token.call_log.totals(), self.access_tokens.minted())
    }

    /// Returns whether an app exists.
    pub(crate) fn knows_app(&self, app_id: &str) -> bool {
        self.options.accept_any_app || self.secrets.contains_key(app_id)
    }

    /// Checks an app's credentials. Fails with the error number that WeChat answers.
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

    /// Logs a user in: mints a login code.
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
                self.session_keys.replace(&spec.app_id, &openid, key.clone());
                key
            }
            None => self.session_keys.current(&spec.app_id, &openid),
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
        self.login_codes.insert(&spec.app_id, &login.code, session, life);
        login
    }

    /// Lets a user tap the phone button: mints a phone code.
    pub(crate) fn phone_tap(&self, spec: PhoneTapSpec) -> PhoneTap {
        let seed = self.options.seed;
        let number = self.next_user();
        let openid = spec.openid.unwrap_or_else(|| identifier::openid(seed, &spec.app_id, number));
        let payload = spec.payload.unwrap_or_else(|| {
            PhonePayload::mainland(&spec.app_id, &identifier::mainland_mobile(seed, number))
        });
        let phone = payload.pure_phone_number.clone();
        let phone_code = self.mint_phone_code(&spec.app_id, &openid, payload, spec.life);
        PhoneTap { app_id: spec.app_id, openid, phone, phone_code }
    }

    /// Mints a phone code. Without a life it lives as long as the options say.
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

    /// Lets a user tap the phone button and log in. Fails only if a test gave this user a malformed
    /// session key.
    pub(crate) fn user(&self, spec: UserSpec) -> Result<User, CipherError> {
        let seed = self.options.seed;
        let number = self.next_user();
        let openid = spec.openid.unwrap_or_else(|| identifier::openid(seed, &spec.app_id, number));
        let unionid = identifier::unionid(seed, &openid);
        let phone = spec.phone.unwrap_or_else(|| identifier::mainland_mobile(seed, number));
        let payload = PhonePayload::mainland(&spec.app_id, &phone);
        let encrypted = payload.encrypt(&self.session_keys.current(&spec.app_id, &openid))?;
        let phone_code = self.mint_phone_code(&spec.app_id, &openid, payload, None);
        let login = self.login(&LoginSpec::new(&spec.app_id).openid(&openid).unionid(&unionid));
        Ok(User {
            app_id: spec.app_id,
            openid,
            unionid,
            phone,
            code: login.code,
            encrypted_data: encrypted.encrypted_data,
            iv: encrypted.iv,
            phone_code,
            session_key: login.session_key,
        })
    }

    /// Returns the number of the next new user.
    fn next_user(&self) -> u64 {
        self.users.fetch_add(1, Ordering::Relaxed)
    }
}
