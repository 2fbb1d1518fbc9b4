//! Who is asking.

use std::sync::Arc;

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, header, request::Parts},
};
use quhao_common::{
    domain::app::{App, Client},
    process::registry::Registry,
};

use crate::{
    Edge,
    http::problem::{Problem, ProblemCode},
};

/// A client that showed one of its API keys, and what was configured at that moment.
#[derive(Clone)]
pub(crate) struct Authenticated {
    pub(crate) client: Arc<Client>,
    pub(crate) registry: Arc<Registry>,
}

impl Authenticated {
    /// The client's apps.
    pub(crate) fn apps(&self) -> &[Arc<App>] {
        self.registry.directory.apps_of(&self.client.name)
    }
}

impl FromRequestParts<Arc<Edge>> for Authenticated {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, edge: &Arc<Edge>) -> Result<Self, Problem> {
        let registry = edge.live.now();
        let client = bearer(&parts.headers)
            .and_then(|key| registry.directory.client_of_key(key))
            .map(Arc::clone)
            .ok_or(ProblemCode::Unauthorized)?;
        Ok(Self { client, registry })
    }
}

/// The token of `Authorization: Bearer`. Two such headers are none: which one counted
/// would depend on who reads them.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (value, None) = (values.next()?, values.next()) else { return None };
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
    fn the_scheme_is_read_in_any_case_and_one_header_only() {
        assert_eq!(bearer(&headers(&["Bearer abc"])), Some("abc"));
        assert_eq!(bearer(&headers(&["bEARER   abc "])), Some("abc"));
        for wrong in [&[][..], &["abc"], &["Basic abc"], &["Bearer"], &["Bearer a", "Bearer a"]] {
            assert_eq!(bearer(&headers(wrong)), None, "{wrong:?}");
        }
    }
}
