//! Callbacks: what an operator or a better answer does to table `callbacks`. For their sending
//! see `postgres/claims.rs`.

use sqlx::{
    FromRow, Row,
    postgres::{PgConnection, PgRow},
};

use super::PostgresStore;
use crate::store::{
    callback::{CallbackFilter, Lookup},
    callback_rows::{CallbackKeyRow, CallbackRow, status_number},
    error::StoreError,
};
use quhao_common::domain::{app::AppId, callback_status::CallbackState};

/// Cancels events that their answer has outdated: that of a failure when there is a success,
/// and any when the answer was erased. Events have the numbers of their answers.
const CANCEL_OUTDATED: &str = "\
    with outdated as (\
        select c.key, c.event from callbacks as c join jobs as j using (key) \
        where c.key = any($1) and c.state = 0 and c.event < j.status \
        order by c.key, c.event for update of c\
    ) update callbacks as c set state = 3, finished_at = now() from outdated as o \
    where c.key = o.key and c.event = o.event";

macro_rules! list {
    ($condition:literal) => {
        concat!(
            "select key, event, client, app, state, attempts, due_at, created_at, \
                    last_status, last_error, finished_at \
             from callbacks \
             where ($1::bytea is null or key = $1) and ($2::text is null or app = $2) \
               and ($3::smallint is null or state = $3) and purge_at - now() > '0' and ",
            $condition,
            " order by created_at desc, key, event limit $4"
        )
    };
}

macro_rules! retry {
    ($condition:literal) => {
        concat!(
            "with chosen as (\
                select key, event from callbacks as c \
                where ($1::bytea is null or key = $1) and ($2::text is null or app = $2) \
                  and ($3::smallint is null or state = $3) and state = 2 and ",
            $condition,
            " and exists (select from jobs as j where j.key = c.key and j.status < 3 \
                                               and j.purge_at - now() > '0') \
                order by created_at desc, key, event limit $4\
             ), locked as (\
                select key, event from callbacks join chosen using (key, event) \
                where state = 2 order by key, event for update of callbacks\
             ) update callbacks as c set state = 0, attempts = 0, due_at = now(), \
                                         created_at = now(), finished_at = null \
             from locked as l where c.key = l.key and c.event = l.event"
        )
    };
}

// The same statement for each [`Lookup`]: each condition has an index that the plan for any
// parameters can use.
const LIST: &str = list!("true");
const LIST_OF_JOB: &str = list!("key = $1");
const LIST_FAILED: &str = list!("state = 2");
const RETRY: &str = retry!("true");
const RETRY_OF_JOB: &str = retry!("key = $1");

impl FromRow<'_, PgRow> for CallbackKeyRow {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            key: row.try_get("key")?,
            event: row.try_get("event")?,
            client: row.try_get("client")?,
            app: row.try_get("app")?,
        })
    }
}

impl FromRow<'_, PgRow> for CallbackRow {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            callback: CallbackKeyRow::from_row(row)?,
            state: row.try_get("state")?,
            attempts: row.try_get("attempts")?,
            due_at: row.try_get("due_at")?,
            created_at: row.try_get("created_at")?,
            last_status: row.try_get("last_status")?,
            last_error: row.try_get("last_error")?,
            finished_at: row.try_get("finished_at")?,
        })
    }
}

impl PostgresStore {
    /// Returns the callbacks that match `filter`, the newest first.
    pub(crate) async fn callbacks(
        &self,
        filter: &CallbackFilter,
    ) -> Result<Vec<CallbackState>, StoreError> {
        let statement = match filter.lookup() {
            Lookup::Job => LIST_OF_JOB,
            Lookup::Failed => LIST_FAILED,
            Lookup::Time => LIST,
        };
        let rows = self.pool.run(|mut connection| async move {
            let rows: Vec<CallbackRow> = sqlx::query_as(statement)
                .bind(filter.key.as_ref().map(|key| key.as_bytes().as_slice()))
                .bind(filter.app.as_ref().map(AppId::as_str))
                .bind(filter.status.map(status_number))
                .bind(i64::from(filter.max))
                .fetch_all(&mut connection)
                .await?;
            Ok((rows, connection))
        });
        rows.await?.into_iter().map(CallbackRow::into_state).collect()
    }

    /// Makes the failed callbacks that match `filter` due again, with their whole time limit.
    /// Returns how many.
    pub(crate) async fn retry_callbacks(&self, filter: &CallbackFilter) -> Result<u64, StoreError> {
        let statement = match filter.lookup() {
            Lookup::Job => RETRY_OF_JOB,
            Lookup::Failed | Lookup::Time => RETRY,
        };
        let retried = self.pool.run(|mut connection| async move {
            let retried = sqlx::query(statement)
                .bind(filter.key.as_ref().map(|key| key.as_bytes().as_slice()))
                .bind(filter.app.as_ref().map(AppId::as_str))
                .bind(filter.status.map(status_number))
                .bind(i64::from(filter.max))
                .execute(&mut connection)
                .await?;
            Ok((retried.rows_affected(), connection))
        });
        Ok(retried.await?)
    }
}

/// Cancels events that their answers have outdated. Part of a transaction, after the answers
/// to `keys` were written.
pub(super) async fn cancel_outdated(
    connection: &mut PgConnection,
    keys: &[Vec<u8>],
) -> Result<(), sqlx::Error> {
    if !keys.is_empty() {
        sqlx::query(CANCEL_OUTDATED).bind(keys).execute(connection).await?;
    }
    Ok(())
}
