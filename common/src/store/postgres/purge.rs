//! Deleting what is past its retention.

use super::PostgresStore;
use crate::store::{Purged, StoreError};

// Rows that another worker is deleting or writing right now are left to it.
const ANSWERS: &str = "\
    delete from jobs where key in (\
        select key from jobs where purge_at <= now() limit $1 for update skip locked)";
const SESSIONS: &str = "\
    delete from sessions where (client, app, openid) in (\
        select client, app, openid from sessions where purge_at <= now() limit $1 \
        for update skip locked)";

impl PostgresStore {
    /// Deletes rows past their retention, `max` of a table at most.
    pub async fn purge(&self, max: u32) -> Result<Purged, StoreError> {
        let max = i64::from(max);
        let purging = self.pool.run(|mut connection| async move {
            let answers = sqlx::query(ANSWERS).bind(max).execute(&mut connection).await?;
            let sessions = sqlx::query(SESSIONS).bind(max).execute(&mut connection).await?;
            let purged =
                Purged { answers: answers.rows_affected(), sessions: sessions.rows_affected() };
            Ok((purged, connection))
        });
        Ok(purging.await?)
    }
}
