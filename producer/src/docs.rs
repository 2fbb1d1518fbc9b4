//! `GET /docs`: the API's description as a page for people.
//!
//! Made from the same document as `/openapi.json`, so that neither can say what the other
//! does not. One page without scripts, and without anything from another host.

use std::sync::LazyLock;

use axum::{
    http::{HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};

use crate::openapi_json;

mod markup;
mod operation;
mod page;
mod schema;

const STYLE: &str = include_str!("docs/style.css");

/// The page, and what a browser may do with it.
struct Page {
    text: String,
    policy: Option<HeaderValue>,
}

static PAGE: LazyLock<Page> = LazyLock::new(|| Page {
    text: page::html(&openapi_json(), STYLE),
    policy: HeaderValue::try_from(policy()).ok(),
});

/// Nothing but the one style that stands in the page.
fn policy() -> String {
    let style = STANDARD.encode(Sha256::digest(STYLE));
    format!(
        "default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    )
}

/// This description, for people
#[utoipa::path(get, path = "/docs", operation_id = "docs", tag = "operations",
    responses((status = 200, description = "A page of HTML", body = String, content_type = "text/html")))]
pub(crate) async fn docs() -> Response {
    const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
    const REFERRER_POLICY: HeaderName = HeaderName::from_static("referrer-policy");
    let headers = [
        (header::CONTENT_TYPE, HTML),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ];
    let mut response = (headers, PAGE.text.as_str()).into_response();
    if let Some(policy) = &PAGE.policy {
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy.clone());
    }
    response
}

#[cfg(test)]
mod tests;
