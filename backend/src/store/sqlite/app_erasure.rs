//! Erases an app, one part at a time. Each part scans the next rows of a table in the order of
//! its primary key, so that all parts together read each row once.

use sqlx::{FromRow, Row, SqliteConnection, sqlite::SqliteRow};

use super::{SqliteStore, encoding::now_ms, erasure};
use crate::store::{
    erasure::{
        APP_PART_ROWS_MAX, AppCursor, AppErased, AppErasure, Part, ScannedJobRow, SessionKeyRow,
    },
    error::StoreError,
};
use quhao_common::{domain::id::JobKey, envelope::unix_ms::unix_ms};

pub(super) const NEXT_SESSIONS: &str = "
SELECT client, app, openid FROM sessions WHERE (client, app, openid) > (?1, ?2, ?3)
 ORDER BY client, app, openid LIMIT ?4";

const ERASE_SESSION: &str = "
DELETE FROM sessions WHERE client = ?1 AND app = ?2 AND openid = ?3";

/// The erasure does not concern jobs that were created after it was asked for.
pub(super) const NEXT_ANSWERS: &str = "
SELECT key, app = ?2 AND status < 3 AND created_at <= ?3 AS matches FROM jobs WHERE key > ?1
 ORDER BY key LIMIT ?4";

impl FromRow<'_, SqliteRow> for SessionKeyRow {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            client: row.try_get("client")?,
            app: row.try_get("app")?,
            openid: row.try_get("openid")?,
        })
    }
}

impl FromRow<'_, SqliteRow> for ScannedJobRow {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self { key: row.try_get("key")?, matches: row.try_get("matches")? })
    }
}

impl SqliteStore {
    /// Erases a part of everything of an app. What jobs that were created earlier may still bring
    /// will not be stored.
    pub(crate) async fn erase_app(&self, erasure: &AppErasure) -> Result<AppErased, StoreError> {
        match erasure.after.clone().unwrap_or_else(AppCursor::first) {
            AppCursor::Session { client, app, openid } => {
                let after = SessionKeyRow { client, app, openid };
                self.erase_app_sessions(erasure, after).await
            }
            AppCursor::Job(after) => self.erase_app_answers(erasure, after).await,
        }
    }

    async fn erase_app_sessions(
        &self,
        erasure: &AppErasure,
        after: SessionKeyRow,
    ) -> Result<AppErased, StoreError> {
        let erasure = erasure.clone();
        let part = self.database.write(self.limit, move |connection| {
            Box::pin(async move {
                if erasure.after.is_none() {
                    erasure::record(connection, erasure.record()).await?;
                }
                erase_sessions(connection, erasure.app.as_str(), &after).await
            })
        });
        Ok(part.await?.into_erased())
    }

    async fn erase_app_answers(
        &self,
        erasure: &AppErasure,
        after: Option<JobKey>,
    ) -> Result<AppErased, StoreError> {
        let erasure = erasure.clone();
        let now = now_ms();
        let part = self.database.write(self.limit, move |connection| {
            Box::pin(async move { erase_answers(connection, &erasure, after, now).await })
        });
        part.await?.into_erased()
    }
}

/// Scans the sessions after one, and erases those of the app.
async fn erase_sessions(
    connection: &mut SqliteConnection,
    app: &str,
    after: &SessionKeyRow,
) -> Result<Part<SessionKeyRow>, sqlx::Error> {
    let scanned: Vec<SessionKeyRow> = sqlx::query_as(NEXT_SESSIONS)
        .bind(&after.client)
        .bind(&after.app)
        .bind(&after.openid)
        .bind(i64::from(APP_PART_ROWS_MAX))
        .fetch_all(&mut *connection)
        .await?;
    let mut erased = 0;
    for row in scanned.iter().filter(|row| row.app == app) {
        let erase = sqlx::query(ERASE_SESSION).bind(&row.client).bind(&row.app).bind(&row.openid);
        erased += erase.execute(&mut *connection).await?.rows_affected();
    }
    Ok(Part::of(scanned, erased))
}

/// Scans the answers after one, and erases those that the erasure concerns, with their
/// callbacks.
async fn erase_answers(
    connection: &mut SqliteConnection,
    erasure: &AppErasure,
    after: Option<JobKey>,
    now_ms: i64,
) -> Result<Part<ScannedJobRow>, sqlx::Error> {
    let scanned: Vec<ScannedJobRow> = sqlx::query_as(NEXT_ANSWERS)
        .bind(after.map_or_else(Vec::new, |key| key.as_bytes().to_vec()))
        .bind(erasure.app.as_str())
        .bind(unix_ms(erasure.erased_at))
        .bind(i64::from(APP_PART_ROWS_MAX))
        .fetch_all(&mut *connection)
        .await?;
    let mut erased = 0;
    for row in scanned.iter().filter(|row| row.matches) {
        erasure::erase(connection, row.key.clone(), now_ms).await?;
        erased += 1;
    }
    Ok(Part::of(scanned, erased))
}
