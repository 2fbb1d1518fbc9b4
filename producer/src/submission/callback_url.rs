//! Where word of the result should go, and whether it may.

use quhao_common::domain::{
    app::{App, Client},
    callback_target::{CallbackUrl, CallbackUrlError},
};

use crate::http::{auth::Authenticated, fields::Fields, problem::FieldCode};

/// `callback_url`, if it is there. Every rule that it breaks is named; it is never repeated.
pub(super) fn read(
    fields: &mut Fields<'_>,
    caller: &Authenticated,
    app: Option<&App>,
    plain_http: bool,
) -> Option<CallbackUrl> {
    let text = fields.text("callback_url")?;
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
    let broken = broken_rules(&url, &caller.client, app, plain_http);
    for detail in &broken {
        fields.refuse("callback_url", FieldCode::NotAllowed, *detail);
    }
    broken.is_empty().then_some(url)
}

fn broken_rules(
    url: &CallbackUrl,
    client: &Client,
    app: Option<&App>,
    plain_http: bool,
) -> Vec<&'static str> {
    let mut broken = Vec::new();
    if url.is_plain_http() && !plain_http {
        broken.push("must be https: this installation sends nothing in the clear");
    }
    if client.webhook_secrets.is_empty() {
        broken.push("needs a webhook_secret, and this client has none");
    }
    match app {
        Some(app) if app.callback_allow.is_empty() => {
            broken.push("is not allowed: callback_allow of this app names no address");
        }
        Some(app) if !app.allows_callback(url) => broken.push(
            "is not allowed: no entry in callback_allow of this app has its scheme, host, port \
             and the beginning of its path",
        ),
        _ => {}
    }
    broken
}
