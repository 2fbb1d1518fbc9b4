//! WeChat mini-programs.

use std::{future::ready, sync::Arc, time::Duration};

use futures_util::{FutureExt, future::BoxFuture};
use quhao_common::{
    config,
    domain::{
        app::{App, Component, Credential},
        failure::FailureCode,
        phone::{LoginCode, Phone, PhoneCode, SessionKey},
    },
    process::metrics,
};
use secrecy::SecretString;
use serde_json::value::RawValue;
use time::OffsetDateTime;
use tracing::warn;

use super::{Call, Decrypted, ExchangeError, Payload, Platform, Redeemed, Session, Trouble};
use api::Api;
use payload::Rules;
use token::Tokens;

pub mod api;
pub mod decrypt;
pub mod payload;
pub mod token;

/// The name of this platform in the configuration.
pub const NAME: &str = "wechat";

/// WeChat behind the platform seam.
#[derive(Debug)]
pub struct Wechat {
    api: Arc<Api>,
    tokens: Tokens,
    watermark_max_age: Option<Duration>,
}

impl Wechat {
    /// WeChat at `settings.base_url`, with `connections` kept open at most.
    pub fn new(settings: &config::Wechat, connections: usize) -> Result<Self, reqwest::Error> {
        let api = Arc::new(Api::new(settings, connections)?);
        Ok(Self {
            tokens: Tokens::new(Arc::clone(&api)),
            api,
            watermark_max_age: settings.watermark_max_age,
        })
    }

    fn rules<'a>(&self, app: &'a App, now: OffsetDateTime) -> Rules<'a> {
        Rules { app_id: app.id.as_str(), max_age: self.watermark_max_age, now }
    }

    async fn exchange_as_component(
        &self,
        app: &App,
        component: &Arc<Component>,
        code: &LoginCode,
    ) -> Result<Session, ExchangeError> {
        let kept = self.tokens.of_component(component);
        let token = kept.token().ok_or(Trouble::NoCredential)?;
        let component = &component.app_id;
        let result = self.api.component_code_to_session(&app.id, component, &token, code).await;
        result.inspect_err(|error| {
            if error.trouble == Trouble::CredentialRefused {
                kept.refused(&token);
            }
        })
    }

    async fn redeem_with_secret(
        &self,
        app: &App,
        secret: &SecretString,
        code: &PhoneCode,
        openid: Option<&str>,
    ) -> Result<Redeemed, ExchangeError> {
        let kept = self.tokens.of(app, secret);
        let token = kept.token().ok_or(Trouble::NoCredential)?;
        let rules = self.rules(app, OffsetDateTime::now_utc());
        let result = self.api.phone_number(&token, code, openid, &rules).await;
        result.inspect_err(|error| {
            if error.trouble == Trouble::CredentialRefused {
                kept.refused(&token);
            }
        })
    }
}

impl Platform for Wechat {
    fn prepare<'a>(&'a self, app: &'a App, call: Call) -> BoxFuture<'a, Result<(), ExchangeError>> {
        match (&app.credential, call) {
            (Credential::Secret(_), Call::Exchange) => ready(Ok(())).boxed(),
            (Credential::Secret(secret), Call::Redeem) => {
                let kept = self.tokens.of(app, secret);
                async move { kept.ready().await }.boxed()
            }
            (Credential::Component(component), Call::Exchange) => {
                let kept = self.tokens.of_component(component);
                async move { kept.ready().await }.boxed()
            }
            (Credential::Component(_), Call::Redeem) => ready(Err(without_secret(app))).boxed(),
        }
    }

    fn exchange<'a>(
        &'a self,
        app: &'a App,
        code: &'a LoginCode,
    ) -> BoxFuture<'a, Result<Session, ExchangeError>> {
        match &app.credential {
            Credential::Secret(secret) => self.api.code_to_session(&app.id, secret, code).boxed(),
            Credential::Component(component) => {
                self.exchange_as_component(app, component, code).boxed()
            }
        }
    }

    fn redeem<'a>(
        &'a self,
        app: &'a App,
        code: &'a PhoneCode,
        openid: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Redeemed, ExchangeError>> {
        match &app.credential {
            Credential::Secret(secret) => {
                self.redeem_with_secret(app, secret, code, openid).boxed()
            }
            Credential::Component(_) => ready(Err(without_secret(app))).boxed(),
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
            metrics::decrypt_refused(check.as_str());
            FailureCode::DecryptFailed
        })?;
        payload::judge(&text, payload.expect, &self.rules(app, now))
    }

    fn phone_in(&self, open_data: &RawValue) -> Option<Phone> {
        payload::phone_in(open_data)
    }
}

/// Redeeming a phone code takes the app's own secret.
fn without_secret(app: &App) -> ExchangeError {
    warn!(app = %app.id, "it has no secret to redeem a phone code with");
    Trouble::Final(FailureCode::AppMisconfigured).into()
}
