//! Erasure of an app, a part at a time: each looks at the next rows of a table in the order
//! of its primary key, so that all parts together read each row once.

use sqlx::SqliteConnection;

use super::{SqliteStore, answers, erasure, now_ms};
use crate::store::{
    erasure::{APP_PART_ROWS_MAX, AppCursor, AppErased, AppErasure, Erased, Part, WHOLE_APP},
    error::StoreError,
};
use quhao_common::envelope::unix_ms::unix_ms;

pub(super) const NEXT_SESSIONS: &str = "
SELECT client, app, openid FROM sessions WHERE (client, app, openid) > (?1, ?2, ?3)
 ORDER BY client, app, openid LIMIT ?4";

const ERASE_SESSION: &str = "
DELETE FROM sessions WHERE client = ?1 AND app = ?2 AND openid = ?3";

/// Jobs that were created since the erasure was asked for are another matter.
pub(super) const NEXT_ANSWERS: &str = "
SELECT key, app = ?2 AND status < 3 AND created_at <= ?3 FROM jobs WHERE key > ?1
 ORDER BY key LIMIT ?4";

type Session = (String, String, String);

impl SqliteStore {
    /// See [`crate::store::Store::erase_app`].
    pub async fn erase_app(&self, erasure: &AppErasure) -> Result<AppErased, StoreError> {
        match erasure.after.clone().unwrap_or_else(AppCursor::first) {
            AppCursor::Session { client, app, openid } => {
                self.erase_app_sessions(erasure, (client, app, openid)).await
            }
            AppCursor::Job(after) => {
                let after = after.map_or_else(Vec::new, |key| key.as_bytes().to_vec());
                self.erase_app_answers(erasure, after).await
            }
        }
    }

    async fn erase_app_sessions(
        &self,
        erasure: &AppErasure,
        after: Session,
    ) -> Result<AppErased, StoreError> {
        let erasure = erasure.clone();
        let part = self.database.write(self.limit, move |connection| {
            Box::pin(async move {
                if erasure.after.is_none() {
                    let times = (unix_ms(erasure.erased_at), unix_ms(erasure.purge_at));
                    erasure::record(connection, &erasure.app, &[WHOLE_APP], times).await?;
                }
                sessions(connection, erasure.app.as_str(), after).await
            })
        });
        let Part { last, erased: sessions } = part.await?;
        let next = match last {
            Some((client, app, openid)) => AppCursor::Session { client, app, openid },
            None => AppCursor::Job(None),
        };
        Ok(AppErased { erased: Erased { answers: 0, sessions }, next: Some(next) })
    }

    async fn erase_app_answers(
        &self,
        erasure: &AppErasure,
        after: Vec<u8>,
    ) -> Result<AppErased, StoreError> {
        let (erasure, now) = (erasure.clone(), now_ms());
        let part = self.database.write(self.limit, move |connection| {
            Box::pin(async move { answers(connection, &erasure, after, now).await })
        });
        let Part { last, erased: answers } = part.await?;
        let last = last.map(|(key, _)| answers::key(key)).transpose()?;
        let next = last.map(|key| AppCursor::Job(Some(key)));
        Ok(AppErased { erased: Erased { answers, sessions: 0 }, next })
    }
}

async fn sessions(
    connection: &mut SqliteConnection,
    of: &str,
    (client, app, openid): Session,
) -> Result<Part<Session>, sqlx::Error> {
    let scanned: Vec<Session> = sqlx::query_as(NEXT_SESSIONS)
        .bind(client)
        .bind(app)
        .bind(openid)
        .bind(i64::from(APP_PART_ROWS_MAX))
        .fetch_all(&mut *connection)
        .await?;
    let mut erased = 0;
    for (client, app, openid) in scanned.iter().filter(|(_, app, _)| app == of) {
        let erase = sqlx::query(ERASE_SESSION).bind(client).bind(app).bind(openid);
        erased += erase.execute(&mut *connection).await?.rows_affected();
    }
    Ok(Part::new(scanned, erased))
}

async fn answers(
    connection: &mut SqliteConnection,
    erasure: &AppErasure,
    after: Vec<u8>,
    now: i64,
) -> Result<Part<(Vec<u8>, bool)>, sqlx::Error> {
    let scanned: Vec<(Vec<u8>, bool)> = sqlx::query_as(NEXT_ANSWERS)
        .bind(after)
        .bind(erasure.app.as_str())
        .bind(unix_ms(erasure.erased_at))
        .bind(i64::from(APP_PART_ROWS_MAX))
        .fetch_all(&mut *connection)
        .await?;
    let mut erased = 0;
    for (key, _) in scanned.iter().filter(|(_, found)| *found) {
        erasure::erase(connection, key.clone(), now).await?;
        erased += 1;
    }
    Ok(Part::new(scanned, erased))
}
