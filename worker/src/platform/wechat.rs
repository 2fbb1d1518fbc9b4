//! WeChat mini-programs.

use std::{future::ready, sync::Arc, time::Duration};

use futures_util::{FutureExt, future::BoxFuture};
use quhao_common::{
    app::{App, AppId, Credential},
    config::{self, ComponentToken},
    failure::FailureCode,
    metrics,
    phone::{LoginCode, PhoneCode, SessionKey},
};
use secrecy::SecretString;
use time::OffsetDateTime;
use tracing::warn;

use super::{Call, Decrypted, ExchangeError, Payload, Platform, Redeemed, Session, Trouble};
use api::Api;
use payload::Rules;
use token::{Tokens, kept::Kept, source::Source};

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
    component: Option<Component>,
    watermark_max_age: Option<Duration>,
}

/// The third-party platform that looks after apps whose secrets it does not have.
#[derive(Debug)]
struct Component {
    app_id: AppId,
    token: Arc<Kept>,
}

impl Wechat {
    /// WeChat at `settings.base_url`, with `connections` kept open at most.
    pub fn new(settings: &config::Wechat, connections: usize) -> Result<Self, reqwest::Error> {
        let api = Arc::new(Api::new(settings, connections)?);
        let component = settings.component.as_ref().map(|component| {
            let source = match &component.token {
                ComponentToken::File(path) => Source::File(path.clone()),
                ComponentToken::Command(words) => Source::Command(words.clone()),
            };
            Component { app_id: component.app_id.clone(), token: Arc::new(Kept::new(source)) }
        });
        Ok(Self {
            tokens: Tokens::new(Arc::clone(&api)),
            api,
            component,
            watermark_max_age: settings.watermark_max_age,
        })
    }

    fn rules<'a>(&self, app: &'a App, now: OffsetDateTime) -> Rules<'a> {
        Rules { app_id: app.id.as_str(), max_age: self.watermark_max_age, now }
    }

    fn component(&self, app: &App) -> Result<&Component, ExchangeError> {
        self.component
            .as_ref()
            .ok_or_else(|| misconfigured(app, "no third-party platform is configured"))
    }

    async fn exchange_as_component(
        &self,
        app: &App,
        code: &LoginCode,
    ) -> Result<Session, ExchangeError> {
        let Component { app_id, token: kept } = self.component(app)?;
        let token = kept.token().ok_or(Trouble::NoCredential)?;
        let result = self.api.component_code_to_session(&app.id, app_id, &token, code).await;
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
            (Credential::Component, Call::Exchange) => match self.component(app) {
                Ok(component) => component.token.ready().boxed(),
                Err(error) => ready(Err(error)).boxed(),
            },
            (Credential::Component, Call::Redeem) => {
                let error = misconfigured(app, "it has no secret to redeem a phone code with");
                ready(Err(error)).boxed()
            }
        }
    }

    fn exchange<'a>(
        &'a self,
        app: &'a App,
        code: &'a LoginCode,
    ) -> BoxFuture<'a, Result<Session, ExchangeError>> {
        match &app.credential {
            Credential::Secret(secret) => self.api.code_to_session(&app.id, secret, code).boxed(),
            Credential::Component => self.exchange_as_component(app, code).boxed(),
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
            Credential::Component => {
                let error = misconfigured(app, "it has no secret to redeem a phone code with");
                ready(Err(error)).boxed()
            }
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
}

/// No call can be made for this app.
fn misconfigured(app: &App, why: &'static str) -> ExchangeError {
    warn!(app = %app.id, why, "nothing can be done for this app");
    Trouble::Final(FailureCode::AppMisconfigured).into()
}
