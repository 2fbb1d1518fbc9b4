//! Erases an app, one part at a time. Each part scans the next rows of a table in the order of
//! its primary key, so that all parts together read each row once.

use sqlx::{
    Connection, FromRow, Row,
    postgres::{PgConnection, PgRow},
};

use super::{PostgresStore, callbacks};
use crate::store::{
    erasure::{
        APP_PART_ROWS_MAX, AppCursor, AppErased, AppErasure, Part, ScannedJobRow, SessionKeyRow,
    },
    error::StoreError,
};
use quhao_common::domain::{app::AppId, id::JobKey};

const NEXT_SESSIONS: &str = "\
    select client, app, openid from sessions where (client, app, openid) > ($1, $2, $3) \
    order by client, app, openid limit $4";

/// Locks rows in the order in which they are given, which is the same everywhere.
const ERASE_SESSIONS: &str = "\
    with found as (\
        select s.client, s.app, s.openid \
        from unnest($1::text[], $3::text[]) with ordinality as g (client, openid, number) \
        join sessions as s on s.client = g.client and s.app = $2 and s.openid = g.openid \
        order by g.number for update of s\
    ) delete from sessions as s using found as f \
    where s.client = f.client and s.app = f.app and s.openid = f.openid";

/// The erasure does not concern jobs that were created after it was asked for.
const NEXT_ANSWERS: &str = "\
    select key, app = $2 and status < 3 and created_at <= $3 as matches from jobs where key > $1 \
    order by key limit $4";

const ERASE_ANSWERS: &str = "\
    with found as (\
        select key from jobs where key = any($1) and status < 3 order by key for update\
    ) update jobs as j set status = 3, failure = null, answer = '', openid = null, \
                           phone_hash = null \
    from found where j.key = found.key";

impl FromRow<'_, PgRow> for SessionKeyRow {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            client: row.try_get("client")?,
            app: row.try_get("app")?,
            openid: row.try_get("openid")?,
        })
    }
}

impl FromRow<'_, PgRow> for ScannedJobRow {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self { key: row.try_get("key")?, matches: row.try_get("matches")? })
    }
}

impl PostgresStore {
    /// Erases a part of everything of an app. What jobs that were created earlier may still bring
    /// will not be stored.
    pub(crate) async fn erase_app(&self, erasure: &AppErasure) -> Result<AppErased, StoreError> {
        if erasure.after.is_none() {
            self.record_erasure(erasure.record()).await?;
        }
        match erasure.after.clone().unwrap_or_else(AppCursor::first) {
            AppCursor::Session { client, app, openid } => {
                let after = SessionKeyRow { client, app, openid };
                self.erase_app_sessions(&erasure.app, after).await
            }
            AppCursor::Job(after) => self.erase_app_answers(erasure, after).await,
        }
    }

    async fn erase_app_sessions(
        &self,
        app: &AppId,
        after: SessionKeyRow,
    ) -> Result<AppErased, StoreError> {
        let after = &after;
        let part = self.pool.run(|mut connection| async move {
            let mut transaction = connection.begin().await?;
            let part = erase_sessions(&mut transaction, app, after).await?;
            transaction.commit().await?;
            Ok((part, connection))
        });
        Ok(part.await?.into_erased())
    }

    async fn erase_app_answers(
        &self,
        erasure: &AppErasure,
        after: Option<JobKey>,
    ) -> Result<AppErased, StoreError> {
        let part = self.pool.run(|mut connection| async move {
            let mut transaction = connection.begin().await?;
            let part = erase_answers(&mut transaction, erasure, after).await?;
            transaction.commit().await?;
            Ok((part, connection))
        });
        part.await?.into_erased()
    }
}

/// Scans the sessions after one, and erases those of the app. Part of a transaction.
async fn erase_sessions(
    connection: &mut PgConnection,
    app: &AppId,
    after: &SessionKeyRow,
) -> Result<Part<SessionKeyRow>, sqlx::Error> {
    let scanned: Vec<SessionKeyRow> = sqlx::query_as(NEXT_SESSIONS)
        .bind(&after.client)
        .bind(&after.app)
        .bind(&after.openid)
        .bind(i64::from(APP_PART_ROWS_MAX))
        .fetch_all(&mut *connection)
        .await?;
    let found = scanned.iter().filter(|row| row.app == app.as_str());
    let mut found: Vec<(&str, &str)> =
        found.map(|row| (row.client.as_str(), row.openid.as_str())).collect();
    found.sort_unstable();
    let (clients, openids): (Vec<_>, Vec<_>) = found.into_iter().unzip();
    let erased = sqlx::query(ERASE_SESSIONS)
        .bind(clients)
        .bind(app.as_str())
        .bind(openids)
        .execute(connection)
        .await?;
    Ok(Part::of(scanned, erased.rows_affected()))
}

/// Scans the answers after one, and erases those that the erasure concerns, with their
/// callbacks. Part of a transaction.
async fn erase_answers(
    connection: &mut PgConnection,
    erasure: &AppErasure,
    after: Option<JobKey>,
) -> Result<Part<ScannedJobRow>, sqlx::Error> {
    let scanned: Vec<ScannedJobRow> = sqlx::query_as(NEXT_ANSWERS)
        .bind(after.as_ref().map_or(&[][..], |key| key.as_bytes()))
        .bind(erasure.app.as_str())
        .bind(erasure.erased_at)
        .bind(i64::from(APP_PART_ROWS_MAX))
        .fetch_all(&mut *connection)
        .await?;
    let matching = scanned.iter().filter(|row| row.matches);
    let keys: Vec<Vec<u8>> = matching.map(|row| row.key.clone()).collect();
    let erased = sqlx::query(ERASE_ANSWERS).bind(&keys).execute(&mut *connection).await?;
    callbacks::cancel_outdated(connection, &keys).await?;
    Ok(Part::of(scanned, erased.rows_affected()))
}
