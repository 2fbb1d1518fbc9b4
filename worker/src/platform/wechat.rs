//! WeChat mini-programs.

use futures_util::{FutureExt, future::BoxFuture};
use quhao_common::{
    app::App,
    config,
    failure::FailureCode,
    metrics,
    phone::{LoginCode, SessionKey},
};
use time::OffsetDateTime;

use super::{Decrypted, ExchangeError, Payload, Platform, Session};
use api::Api;

pub mod api;
pub mod decrypt;
pub mod payload;

/// The name of this platform in the configuration.
pub const NAME: &str = "wechat";

/// WeChat behind the platform seam.
#[derive(Debug)]
pub struct Wechat {
    api: Api,
    watermark_max_age: Option<std::time::Duration>,
}

impl Wechat {
    /// WeChat at `settings.base_url`, with `connections` kept open at most.
    pub fn new(settings: &config::Wechat, connections: usize) -> Result<Self, reqwest::Error> {
        Ok(Self {
            api: Api::new(settings, connections)?,
            watermark_max_age: settings.watermark_max_age,
        })
    }
}

impl Platform for Wechat {
    fn exchange<'a>(
        &'a self,
        app: &'a App,
        code: &'a LoginCode,
    ) -> BoxFuture<'a, Result<Session, ExchangeError>> {
        self.api.code_to_session(app, code).boxed()
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
        let rules =
            payload::Rules { app_id: app.id.as_str(), max_age: self.watermark_max_age, now };
        payload::judge(&text, payload.expect, &rules)
    }
}
