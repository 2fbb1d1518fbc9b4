//! `GET /v1/sessions/{session}`.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
};
use quhao_backend::store::StoredSession;
use quhao_common::{api::job::Timestamp, domain::app::AppId};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    Edge,
    http::{
        auth::Authenticated,
        problem::{Problem, ProblemCode},
    },
    openapi::problems::SessionProblems,
};

/// A guest's session.
#[derive(Serialize, ToSchema)]
#[schema(as = Session)]
pub(crate) struct SessionObject {
    /// Its handle: `session` of jobs. The one that was asked for may be older; both work.
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

/// Ask for a session
///
/// Tells whether a handle still works, for instance before a guest taps a button that
/// costs. A handle that was never given out to this client and one whose session has
/// expired or was erased look the same.
#[utoipa::path(
    get,
    path = "/v1/sessions/{session}",
    operation_id = "get_session",
    tag = "sessions",
    security(("api_key" = [])),
    params(("session" = String, Path, pattern = "^ses_[0-9a-hjkmnp-tv-z]{40}$",
        description = "The handle, as a result gave it")),
    responses((status = 200, description = "It works", body = SessionObject), SessionProblems),
)]
pub(crate) async fn look(
    State(edge): State<Arc<Edge>>,
    caller: Authenticated,
    session: Result<Path<String>, PathRejection>,
) -> Result<Json<SessionObject>, Problem> {
    let not_found = || Problem::from(ProblemCode::NotFound);
    let Path(text) = session.map_err(|_| not_found())?;
    let (ids, client) = (&caller.registry.id_keys, &caller.client.name);
    let (handle, app) = caller.registry.session_of(&text, client).ok_or_else(not_found)?;
    let found = edge
        .backend
        .store
        .session_of_handle(client, &app.id, handle.key())
        .await
        .map_err(|error| Problem::from(ProblemCode::StoreUnavailable).because(&error))?;
    let StoredSession { openid, unionid, keys } = found.ok_or_else(not_found)?;
    let current = keys.first().ok_or_else(not_found)?;
    Ok(Json(SessionObject {
        session: ids.session_handle(client, &app.id, &openid).wire(),
        app_id: app.id.clone(),
        openid,
        unionid,
        refreshed_at: Timestamp(current.exchanged_at),
    }))
}
