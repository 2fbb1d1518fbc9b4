//! Authentication of requests by API key.

use std::sync::Arc;

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, header, request::Parts},
};
use quhao_common::{
    domain::{app::App, client::Client},
    process::registry::Registry,
};

use crate::{
    http::problem::{Problem, ProblemCode},
    state::AppState,
};

/// A client that showed one of its API keys, and the configuration as it was then.
#[derive(Clone)]
pub(crate) struct Authenticated {
    pub(crate) client: Arc<Client>,
    pub(crate) registry: Arc<Registry>,
}

impl Authenticated {
    /// Returns the client's apps.
    pub(crate) fn apps(&self) -> &[Arc<App>] {
        self.registry.directory.apps_of(&self.client.name)
    }

    /// Returns whether no other client is configured.
    pub(crate) fn is_only_client(&self) -> bool {
        self.registry.directory.clients().nth(1).is_none()
    }
}

impl FromRequestParts<Arc<AppState>> for Authenticated {
    type Rejection = Problem;

    /// Finds the client that the request's API key belongs to.
    async fn from_request_parts(parts: &mut Parts, state: &Arc<AppState>) -> Result<Self, Problem> {
        let registry = state.live.now();
        let client = bearer_token(&parts.headers)
            .and_then(|key| registry.directory.client_of_key(key))
            .map(Arc::clone)
            .ok_or(ProblemCode::Unauthorized)?;
        Ok(Self { client, registry })
    }
}

/// Returns the token of `Authorization: Bearer`. Two such headers count as none: which one
/// is meant would depend on who reads them.
fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next()?;
    if values.next().is_some() {
        return None;
    }
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_matches(' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::AUTHORIZATION, value.parse().expect("a header value"));
        }
        headers
    }

    #[test]
    fn bearer_scheme_has_any_case_and_stands_once() {
        assert_eq!(bearer_token(&headers(&["Bearer abc"])), Some("abc"));
        assert_eq!(bearer_token(&headers(&["bEARER   abc "])), Some("abc"));
        for wrong in [&[][..], &["abc"], &["Basic abc"], &["Bearer"], &["Bearer a", "Bearer a"]] {
            assert_eq!(bearer_token(&headers(wrong)), None, "{wrong:?}");
        }
    }
}
