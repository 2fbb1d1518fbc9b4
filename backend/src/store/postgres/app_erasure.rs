//! Erasure of an app, a part at a time: each looks at the next rows of a table in the order
//! of its primary key, so that all parts together read each row once.

use sqlx::{Connection, postgres::PgConnection};

use super::{PostgresStore, answers, callbacks};
use crate::store::{
    erasure::{APP_PART_ROWS_MAX, AppCursor, AppErased, AppErasure, Erased, Part, WHOLE_APP},
    error::StoreError,
};
use quhao_common::domain::{app::AppId, id::JobKey};

const NEXT_SESSIONS: &str = "\
    select client, app, openid from sessions where (client, app, openid) > ($1, $2, $3) \
    order by client, app, openid limit $4";

/// In the order in which they are given, which is that of everybody's locks.
const ERASE_SESSIONS: &str = "\
    with found as (\
        select s.client, s.app, s.openid \
        from unnest($1::text[], $3::text[]) with ordinality as g (client, openid, number) \
        join sessions as s on s.client = g.client and s.app = $2 and s.openid = g.openid \
        order by g.number for update of s\
    ) delete from sessions as s using found as f \
    where s.client = f.client and s.app = f.app and s.openid = f.openid";

/// Jobs that were created since the erasure was asked for are another matter.
const NEXT_ANSWERS: &str = "\
    select key, app = $2 and status < 3 and created_at <= $3 from jobs where key > $1 \
    order by key limit $4";

const ERASE_ANSWERS: &str = "\
    with found as (\
        select key from jobs where key = any($1) and status < 3 order by key for update\
    ) update jobs as j set status = 3, failure = null, answer = '', openid = null, \
                           phone_hash = null \
    from found where j.key = found.key";

impl PostgresStore {
    /// Erases a part of everything of an app, and keeps out what earlier jobs may bring.
    pub async fn erase_app(&self, erasure: &AppErasure) -> Result<AppErased, StoreError> {
        let first = AppCursor::first();
        if erasure.after.is_none() {
            let times = (erasure.erased_at, erasure.purge_at);
            self.record_erasure(&erasure.app, &[WHOLE_APP], times).await?;
        }
        match erasure.after.as_ref().unwrap_or(&first) {
            AppCursor::Session { client, app, openid } => {
                self.erase_app_sessions(&erasure.app, [client, app, openid]).await
            }
            AppCursor::Job(after) => self.erase_app_answers(erasure, after.as_ref()).await,
        }
    }

    async fn erase_app_sessions(
        &self,
        of: &AppId,
        after: [&String; 3],
    ) -> Result<AppErased, StoreError> {
        let part = self.pool.run(|mut connection| async move {
            let mut transaction = connection.begin().await?;
            let part = sessions(&mut transaction, of, after).await?;
            transaction.commit().await?;
            Ok((part, connection))
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
        after: Option<&JobKey>,
    ) -> Result<AppErased, StoreError> {
        let part = self.pool.run(|mut connection| async move {
            let mut transaction = connection.begin().await?;
            let part = answers(&mut transaction, erasure, after).await?;
            transaction.commit().await?;
            Ok((part, connection))
        });
        let Part { last, erased: answers } = part.await?;
        let last = last.map(|(key, _)| answers::key(key)).transpose()?;
        let next = last.map(|key| AppCursor::Job(Some(key)));
        Ok(AppErased { erased: Erased { answers, sessions: 0 }, next })
    }
}

/// Part of a transaction.
async fn sessions(
    connection: &mut PgConnection,
    of: &AppId,
    after: [&String; 3],
) -> Result<Part<(String, String, String)>, sqlx::Error> {
    let scanned: Vec<(String, String, String)> = sqlx::query_as(NEXT_SESSIONS)
        .bind(after[0])
        .bind(after[1])
        .bind(after[2])
        .bind(i64::from(APP_PART_ROWS_MAX))
        .fetch_all(&mut *connection)
        .await?;
    let found = scanned.iter().filter(|(_, app, _)| app == of.as_str());
    let mut found: Vec<(&str, &str)> =
        found.map(|(client, _, openid)| (client.as_str(), openid.as_str())).collect();
    found.sort_unstable();
    let (clients, openids): (Vec<_>, Vec<_>) = found.into_iter().unzip();
    let erased = sqlx::query(ERASE_SESSIONS)
        .bind(clients)
        .bind(of.as_str())
        .bind(openids)
        .execute(connection)
        .await?;
    let erased = erased.rows_affected();
    Ok(Part::new(scanned, erased))
}

/// The same of answers, with their callbacks.
async fn answers(
    connection: &mut PgConnection,
    erasure: &AppErasure,
    after: Option<&JobKey>,
) -> Result<Part<(Vec<u8>, bool)>, sqlx::Error> {
    let scanned: Vec<(Vec<u8>, bool)> = sqlx::query_as(NEXT_ANSWERS)
        .bind(after.map_or(&[][..], |key| key.as_bytes()))
        .bind(erasure.app.as_str())
        .bind(erasure.erased_at)
        .bind(i64::from(APP_PART_ROWS_MAX))
        .fetch_all(&mut *connection)
        .await?;
    let found = scanned.iter().filter(|(_, found)| *found);
    let found: Vec<Vec<u8>> = found.map(|(key, _)| key.clone()).collect();
    let erased = sqlx::query(ERASE_ANSWERS).bind(&found).execute(&mut *connection).await?;
    callbacks::cancel_outgrown(connection, &found).await?;
    Ok(Part::new(scanned, erased.rows_affected()))
}
