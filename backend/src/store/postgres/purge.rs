//! Deletes rows past their retention.

use super::PostgresStore;
use crate::store::{error::StoreError, purged::Purged};

// Rows that another process is deleting or writing at the time are left to it.
const ANSWERS: &str = "\
    delete from jobs where key in (\
        select key from jobs where purge_at <= now() limit $1 for update skip locked)";
const SESSIONS: &str = "\
    delete from sessions where (client, app, openid) in (\
        select client, app, openid from sessions where purge_at <= now() limit $1 \
        for update skip locked)";

const CALLBACKS: &str = "\
    delete from callbacks where (key, event) in (\
        select key, event from callbacks where purge_at <= now() limit $1 \
        for update skip locked)";
const ERASURES: &str = "\
    delete from erasures where (app, subject) in (\
        select app, subject from erasures where purge_at <= now() limit $1 \
        for update skip locked)";

impl PostgresStore {
    /// Deletes rows past their retention, at most `max` of each table.
    pub(crate) async fn purge(&self, max: u32) -> Result<Purged, StoreError> {
        Ok(Purged {
            answers: self.delete(ANSWERS, max).await?,
            sessions: self.delete(SESSIONS, max).await?,
            callbacks: self.delete(CALLBACKS, max).await?,
            erasures: self.delete(ERASURES, max).await?,
        })
    }

    async fn delete(&self, statement: &'static str, max: u32) -> Result<u64, StoreError> {
        let deleting = self.pool.run(|mut connection| async move {
            let deleted =
                sqlx::query(statement).bind(i64::from(max)).execute(&mut connection).await?;
            Ok((deleted.rows_affected(), connection))
        });
        Ok(deleting.await?)
    }
}
