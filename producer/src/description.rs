//! The API's description: `/openapi.json` for programs, `/docs` for people.
//!
//! `quhao docs` writes both files, from the routes and their types, so that neither can say
//! what the other does not. The page has no scripts and loads nothing from another host.

use std::sync::LazyLock;

use axum::{
    http::{HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};

#[cfg(test)]
mod tests;

const OPENAPI_JSON: &str = include_str!("../../docs/integrate/openapi.json");
const PAGE: &str = include_str!("../../docs/integrate/api.html");

/// Returns this description
#[utoipa::path(get, path = "/openapi.json", operation_id = "openapi", tag = "operations",
    responses((status = 200, description = "OpenAPI 3.1", body = Object, content_type = "application/json")))]
pub(crate) async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], OPENAPI_JSON).into_response()
}

/// Returns this description, for people
#[utoipa::path(get, path = "/docs", operation_id = "docs", tag = "operations",
    responses((status = 200, description = "A page of HTML", body = String, content_type = "text/html")))]
pub(crate) async fn docs() -> Response {
    const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
    const REFERRER_POLICY: HeaderName = HeaderName::from_static("referrer-policy");
    static CONTENT_SECURITY_POLICY: LazyLock<Option<HeaderValue>> =
        LazyLock::new(|| HeaderValue::try_from(content_security_policy(PAGE)).ok());

    let headers = [
        (header::CONTENT_TYPE, HTML),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ];
    let mut response = (headers, PAGE).into_response();
    if let Some(policy) = &*CONTENT_SECURITY_POLICY {
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy.clone());
    }
    response
}

/// Returns a policy that allows a browser nothing but the one style that stands in `page`.
fn content_security_policy(page: &str) -> String {
    let style_hash = STANDARD.encode(Sha256::digest(style(page)));
    format!(
        "default-src 'none'; style-src 'sha256-{style_hash}'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'"
    )
}

/// Returns exactly what stands between the tags of the page's style: browsers hash that.
fn style(page: &str) -> &str {
    let (_, from_style) = page.split_once("<style>").unwrap_or_default();
    let (style, _) = from_style.split_once("</style>").unwrap_or_default();
    style
}
