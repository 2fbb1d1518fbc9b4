//! `GET /v1/sessions/{session}`.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
};
use quhao_backend::store::StoredSession;
use quhao_common::{
    api::timestamp::Timestamp,
    domain::{app::AppId, session_handle::SessionHandle},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    http::{
        auth::Authenticated,
        problem::{Problem, ProblemCode},
        problem_responses::problem_responses,
    },
    state::AppState,
};

/// A guest's session.
#[derive(Serialize, ToSchema)]
#[schema(as = Session)]
pub(crate) struct SessionObject {
    /// The session's handle, for `session` of jobs. The one in the request may be older;
    /// both work.
    session: String,
    /// The mini-program.
    #[schema(value_type = String)]
    app_id: AppId,
    /// The platform's id of the guest within the app.
    openid: String,
    /// The guest's id across the apps of one owner.
    #[schema(required = true)]
    unionid: Option<String>,
    /// When the guest last logged in with a job.
    #[schema(value_type = String, format = DateTime)]
    refreshed_at: Timestamp,
}

problem_responses! {
    /// Problems that a request for a session can be answered with.
    SessionProblems: Unauthorized, NotFound, StoreUnavailable
}

/// Returns a session
///
/// Use it to check that a handle still works, for instance before a guest taps a button that
/// costs. A handle of another client and one whose session has expired or was erased look
/// the same.
#[utoipa::path(
    get,
    path = "/v1/sessions/{session}",
    operation_id = "get_session",
    tag = "sessions",
    security(("api_key" = [])),
    params(("session" = String, Path, pattern = "^ses_[0-9a-hjkmnp-tv-z]{40}$",
        description = "The handle, as a result gave it")),
    responses((status = 200, description = "The handle works", body = SessionObject), SessionProblems),
)]
pub(crate) async fn get_session(
    State(state): State<Arc<AppState>>,
    caller: Authenticated,
    session: Result<Path<String>, PathRejection>,
) -> Result<Json<SessionObject>, Problem> {
    let not_found = || Problem::from(ProblemCode::NotFound);
    let Path(text) = session.map_err(|_| not_found())?;
    let client = &caller.client.name;
    let found: Option<(SessionHandle, _)> = caller.registry.verify(&text, client);
    let (handle, app) = found.ok_or_else(not_found)?;
    let stored = state
        .backend
        .store
        .session_of_handle(client, &app.id, handle.key())
        .await
        .map_err(|error| Problem::from(ProblemCode::StoreUnavailable).because(&error))?;
    let StoredSession { openid, unionid, keys } = stored.ok_or_else(not_found)?;
    let current_key = keys.first().ok_or_else(not_found)?;
    Ok(Json(SessionObject {
        session: caller.registry.id_keys.session_handle(client, &app.id, &openid).wire(),
        app_id: app.id.clone(),
        openid,
        unionid,
        refreshed_at: Timestamp(current_key.exchanged_at),
    }))
}
