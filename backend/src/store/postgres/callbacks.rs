//! Callbacks: what stands in table `callbacks`, and what an operator or a better answer
//! does to it. `postgres/claims.rs` has their sending.

use sqlx::postgres::PgConnection;
use time::OffsetDateTime;

use super::PostgresStore;
use crate::store::{
    callback::{self, CallbackFilter},
    error::StoreError,
};
use quhao_common::domain::{
    app::AppId,
    callback_status::{CallbackState, CallbackStatus},
};

/// Word that its answer has outgrown: of a failure when there is a success, and any of what
/// was erased. The events have the numbers of the answers.
const CANCEL_OUTGROWN: &str = "\
    with outgrown as (\
        select c.key, c.event from callbacks as c join jobs as j using (key) \
        where c.key = any($1) and c.state = 0 and c.event < j.status \
        order by c.key, c.event for update of c\
    ) update callbacks as c set state = 3, finished_at = now() from outgrown as o \
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

// The same question three times: each condition has an index that the plan for any
// parameters can use.
const LIST: &str = list!("true");
const LIST_OF_KEY: &str = list!("key = $1");
const LIST_FAILED: &str = list!("state = 2");
const RETRY: &str = retry!("true");
const RETRY_OF_KEY: &str = retry!("key = $1");

/// A row of [`LIST`].
type Row = (
    Vec<u8>,
    i16,
    String,
    String,
    i16,
    i32,
    OffsetDateTime,
    OffsetDateTime,
    Option<i32>,
    Option<String>,
    Option<OffsetDateTime>,
);

impl PostgresStore {
    /// The callbacks that `filter` means, the newest first.
    pub async fn callbacks(
        &self,
        filter: &CallbackFilter,
    ) -> Result<Vec<CallbackState>, StoreError> {
        let statement = match (filter.key, filter.status) {
            (Some(_), _) => LIST_OF_KEY,
            (None, Some(CallbackStatus::Failed)) => LIST_FAILED,
            (None, _) => LIST,
        };
        let rows = self.pool.run(|mut connection| async move {
            let rows: Vec<Row> = sqlx::query_as(statement)
                .bind(filter.key.as_ref().map(|key| key.as_bytes().as_slice()))
                .bind(filter.app.as_ref().map(AppId::as_str))
                .bind(filter.status.map(callback::status_number))
                .bind(i64::from(filter.max))
                .fetch_all(&mut connection)
                .await?;
            Ok((rows, connection))
        });
        rows.await?.into_iter().map(state).collect()
    }

    /// Makes the failed callbacks that `filter` means due again, with their whole time
    /// before them. Says how many.
    pub async fn retry_callbacks(&self, filter: &CallbackFilter) -> Result<u64, StoreError> {
        let statement = if filter.key.is_some() { RETRY_OF_KEY } else { RETRY };
        let retried = self.pool.run(|mut connection| async move {
            let retried = sqlx::query(statement)
                .bind(filter.key.as_ref().map(|key| key.as_bytes().as_slice()))
                .bind(filter.app.as_ref().map(AppId::as_str))
                .bind(filter.status.map(callback::status_number))
                .bind(i64::from(filter.max))
                .execute(&mut connection)
                .await?;
            Ok((retried.rows_affected(), connection))
        });
        Ok(retried.await?)
    }
}

/// Part of a transaction, after the answers to `keys` were written.
pub(super) async fn cancel_outgrown(
    connection: &mut PgConnection,
    keys: &[Vec<u8>],
) -> Result<(), sqlx::Error> {
    if !keys.is_empty() {
        sqlx::query(CANCEL_OUTGROWN).bind(keys).execute(connection).await?;
    }
    Ok(())
}

fn state(row: Row) -> Result<CallbackState, StoreError> {
    let (key, event, client, app, number, attempts, due_at, created_at, status, error, end) = row;
    let (key, event, client, app) = callback::identity((key, event, client, app))?;
    let standing = callback::status_of_number(number)?;
    Ok(CallbackState {
        key,
        event,
        client,
        app,
        status: standing,
        attempts: callback::attempts(attempts)?,
        due_at: (standing == CallbackStatus::Due).then_some(due_at),
        created_at,
        last_status: callback::http_status(status)?,
        last_error: error,
        finished_at: end,
    })
}
