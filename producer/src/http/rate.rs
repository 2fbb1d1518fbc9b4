//! Requests that count towards their client's rate.

use std::sync::Arc;

use axum::{extract::FromRequestParts, http::request::Parts};
use quhao_common::process::metrics;

use crate::{
    http::{
        auth::Authenticated,
        problem::{Problem, ProblemCode},
    },
    state::AppState,
};

/// An authenticated client whose rate allows this request.
pub(crate) struct WithinRate(pub(crate) Authenticated);

impl FromRequestParts<Arc<AppState>> for WithinRate {
    type Rejection = Problem;

    /// Authenticates the request and counts it.
    async fn from_request_parts(parts: &mut Parts, state: &Arc<AppState>) -> Result<Self, Problem> {
        let caller = Authenticated::from_request_parts(parts, state).await?;
        if let Err(wait) = state.rate_limits.count(&caller.client, &caller.registry.directory) {
            metrics::rate_limited(&caller.client.name);
            return Err(Problem::from(ProblemCode::RateLimited).retry_after(wait));
        }
        Ok(Self(caller))
    }
}
