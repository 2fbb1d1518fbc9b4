//! WeChat mini-programs.

use std::{future::ready, sync::Arc, time::Duration};

use futures_util::{FutureExt, future::BoxFuture};
use quhao_common::{
    config,
    domain::{
        app::{App, Credential, ThirdPartyPlatform},
        failure::FailureCode,
        phone::{LoginCode, Phone, PhoneCode, SessionKey},
    },
    process::metrics,
};
use secrecy::SecretString;
use serde_json::value::RawValue;
use time::OffsetDateTime;
use tracing::warn;

use super::{Call, CallFailure, Decrypted, Payload, Platform, PlatformError, Redeemed, Session};
use api::Api;
use payload::Rules;
use token::TokenCache;

mod api;
mod decrypt;
mod payload;
mod token;

/// The name of this platform in the configuration.
pub(crate) const NAME: &str = "wechat";

/// WeChat, as a member of the platform seam.
#[derive(Debug)]
pub struct Wechat {
    api: Arc<Api>,
    tokens: TokenCache,
    watermark_max_age: Option<Duration>,
}

impl Wechat {
    /// Creates a client of WeChat at `settings.base_url` that keeps at most `connections` open.
    pub fn new(settings: &config::Wechat, connections: usize) -> Result<Self, reqwest::Error> {
        let api = Arc::new(Api::new(settings, connections)?);
        Ok(Self {
            tokens: TokenCache::new(Arc::clone(&api)),
            api,
            watermark_max_age: settings.watermark_max_age,
        })
    }

    fn rules<'a>(&self, app: &'a App, now: OffsetDateTime) -> Rules<'a> {
        Rules { app_id: app.id.as_str(), max_age: self.watermark_max_age, now }
    }

    async fn exchange_as_third_party(
        &self,
        app: &App,
        third_party: &Arc<ThirdPartyPlatform>,
        code: &LoginCode,
    ) -> Result<Session, PlatformError> {
        let cached = self.tokens.of_third_party(third_party);
        let token = cached.token().ok_or(CallFailure::NoCredential)?;
        let component = &third_party.app_id;
        let result = self.api.component_code_to_session(&app.id, component, &token, code).await;
        cached.report(&token, &result);
        result
    }

    async fn redeem_with_secret(
        &self,
        app: &App,
        secret: &SecretString,
        code: &PhoneCode,
        openid: Option<&str>,
    ) -> Result<Redeemed, PlatformError> {
        let cached = self.tokens.of_app(app, secret);
        let token = cached.token().ok_or(CallFailure::NoCredential)?;
        let rules = self.rules(app, OffsetDateTime::now_utc());
        let result = self.api.phone_number(&token, code, openid, &rules).await;
        cached.report(&token, &result);
        result
    }
}

impl Platform for Wechat {
    fn prepare<'a>(&'a self, app: &'a App, call: Call) -> BoxFuture<'a, Result<(), PlatformError>> {
        match (&app.credential, call) {
            (Credential::Secret(_), Call::Exchange) => ready(Ok(())).boxed(),
            (Credential::Secret(secret), Call::Redeem) => {
                let cached = self.tokens.of_app(app, secret);
                async move { cached.ready().await }.boxed()
            }
            (Credential::ThirdPartyPlatform(third_party), Call::Exchange) => {
                let cached = self.tokens.of_third_party(third_party);
                async move { cached.ready().await }.boxed()
            }
            (Credential::ThirdPartyPlatform(_), Call::Redeem) => ready(Err(no_secret(app))).boxed(),
        }
    }

    fn exchange<'a>(
        &'a self,
        app: &'a App,
        code: &'a LoginCode,
    ) -> BoxFuture<'a, Result<Session, PlatformError>> {
        match &app.credential {
            Credential::Secret(secret) => self.api.code_to_session(&app.id, secret, code).boxed(),
            Credential::ThirdPartyPlatform(third_party) => {
                self.exchange_as_third_party(app, third_party, code).boxed()
            }
        }
    }

    fn redeem<'a>(
        &'a self,
        app: &'a App,
        code: &'a PhoneCode,
        openid: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Redeemed, PlatformError>> {
        match &app.credential {
            Credential::Secret(secret) => {
                self.redeem_with_secret(app, secret, code, openid).boxed()
            }
            Credential::ThirdPartyPlatform(_) => ready(Err(no_secret(app))).boxed(),
        }
    }

    fn decrypt(
        &self,
        app: &App,
        key: &SessionKey,
        payload: Payload<'_>,
        now: OffsetDateTime,
    ) -> Result<Decrypted, FailureCode> {
        let text = decrypt::decrypt(key, payload.encrypted).map_err(|check| {
            metrics::decrypt_refused(check);
            FailureCode::DecryptFailed
        })?;
        payload::read(&text, payload.expect, &self.rules(app, now))
    }

    fn phone_in(&self, open_data: &RawValue) -> Option<Phone> {
        payload::phone_in(open_data)
    }
}

/// Returns the error of an app that has no secret of its own, which redeeming a phone code takes.
fn no_secret(app: &App) -> PlatformError {
    warn!(app = %app.id, "phone code not redeemed: the app has no secret of its own in the configuration");
    CallFailure::Final(FailureCode::AppMisconfigured).into()
}
