//! Where a job's events go, and whether they may.

use quhao_common::domain::{
    app::App,
    callback_target::{CallbackUrl, CallbackUrlError},
    client::Client,
};

use crate::http::{fields::Fields, problem::FieldCode};

/// The rules that a callback URL is checked against.
pub(super) struct CallbackRules<'a> {
    pub(super) client: &'a Client,
    /// The job's app; without it, which is an error of its own, its rules are not checked.
    pub(super) app: Option<&'a App>,
    pub(super) allows_plain_http: bool,
}

/// Reads `callback_url`, if it is there. Records every rule that it breaks, and never
/// repeats it.
pub(super) fn read(fields: &mut Fields<'_>, rules: &CallbackRules<'_>) -> Option<CallbackUrl> {
    let text = fields.take_text("callback_url")?;
    let url = match CallbackUrl::parse(&text) {
        Ok(url) => url,
        Err(error) => {
            let code = match error {
                CallbackUrlError::TooLong => FieldCode::TooLong,
                CallbackUrlError::Malformed | CallbackUrlError::Surplus => FieldCode::InvalidValue,
            };
            fields.refuse("callback_url", code, error.to_string());
            return None;
        }
    };
    let broken = rules.broken_by(&url);
    for detail in &broken {
        fields.refuse("callback_url", FieldCode::NotAllowed, *detail);
    }
    broken.is_empty().then_some(url)
}

impl CallbackRules<'_> {
    /// Returns the rules that `url` breaks, as error details.
    fn broken_by(&self, url: &CallbackUrl) -> Vec<&'static str> {
        let mut broken = Vec::new();
        if url.is_plain_http() && !self.allows_plain_http {
            broken.push("must be https: this installation sends nothing in the clear");
        }
        if self.client.webhook_secrets.is_empty() {
            broken.push("needs a webhook_secret, and this client has none");
        }
        match self.app {
            Some(app) if app.callback_allow.is_empty() => {
                broken.push("is not allowed: callback_allow of this app names no address");
            }
            Some(app) if !app.allows_callback(url) => broken.push(
                "is not allowed: no entry in callback_allow of this app has its scheme, host, \
                 port and the beginning of its path",
            ),
            _ => {}
        }
        broken
    }
}
