//! Sending callbacks: claims those that are due, and records the results of attempts.

use sqlx::{
    FromRow, Row,
    postgres::{PgConnection, PgRow},
};
use time::OffsetDateTime;

use super::PostgresStore;
use crate::store::{
    answer_row::AnswerRow,
    callback::{Attempted, Claim, DueCallback},
    callback_rows::{AttemptRow, CallbackKeyRow, ClaimedRow, event_number},
    error::StoreError,
};
use quhao_common::domain::client::ClientName;

/// Claims the longest due callbacks of all clients but `$3`. They are found client by client,
/// so that the backlog of one that is left out is not read. Callbacks that another process is
/// claiming are left to it. The clock is the database's. The array repeats what the join says,
/// because the planner takes a limit that it does not know for a tenth of the table.
const CLAIM: &str = "\
    with recursive clients (client) as (\
        (select client from callbacks where state = 0 order by client limit 1) \
        union all \
        select (select c.client from callbacks as c \
                where c.state = 0 and c.client > clients.client order by c.client limit 1) \
        from clients where client is not null\
    ), chosen as (\
        select due.key, due.event, due.due_at from clients cross join lateral (\
            select c.key, c.event, c.due_at from callbacks as c \
            where c.state = 0 and c.client = clients.client and c.due_at <= now() \
              and exists (select from jobs as j where j.key = c.key and j.status < 3 \
                                                  and j.purge_at - now() > '0') \
            order by c.due_at limit $1 for update of c skip locked) as due \
        where clients.client <> all($3) \
        order by due.due_at limit $1\
    ) update callbacks as c set attempts = c.attempts + 1, \
                                due_at = now() + make_interval(secs => $2) \
    from chosen join jobs as j using (key) \
    where c.key = any(array(select key from chosen)) \
      and c.key = chosen.key and c.event = chosen.event \
    returning chosen.due_at, c.key, c.event, c.client, c.app, c.attempts, \
              c.created_at as due_since, \
              j.created_at, j.expires_at, j.finished_at, j.purge_at, j.answer, j.failure";

/// Locks rows in the order of their keys, as everywhere. A cancelled callback stays cancelled,
/// and one that was claimed again since is left alone.
const RECORD: &str = "\
    with mine as (\
        select c.key, c.event, a.state, a.due_at, a.status, a.error, a.ended_at \
        from unnest($1::bytea[], $2::smallint[], $3::integer[], $4::smallint[], \
                    $5::timestamptz[], $6::integer[], $7::text[], $8::timestamptz[]) \
            as a (key, event, attempt, state, due_at, status, error, ended_at) \
        join callbacks as c \
            on c.key = a.key and c.event = a.event and c.attempts = a.attempt \
        where c.state = 0 order by c.key, c.event for update of c\
    ) update callbacks as c set state = mine.state, due_at = coalesce(mine.due_at, c.due_at), \
          last_status = mine.status, last_error = mine.error, \
          finished_at = case when mine.state <> 0 then mine.ended_at end \
    from mine where c.key = mine.key and c.event = mine.event";

/// A row of [`CLAIM`].
struct DueRow {
    due_at: OffsetDateTime,
    claimed: ClaimedRow,
}

impl FromRow<'_, PgRow> for DueRow {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        let claimed = ClaimedRow {
            callback: CallbackKeyRow::from_row(row)?,
            attempts: row.try_get("attempts")?,
            due_since: row.try_get("due_since")?,
            answer: AnswerRow::from_row(row)?,
        };
        Ok(Self { due_at: row.try_get("due_at")?, claimed })
    }
}

impl PostgresStore {
    /// Claims callbacks that are due, the longest due first.
    pub(crate) async fn claim_callbacks(
        &self,
        claim: Claim<'_>,
    ) -> Result<Vec<DueCallback>, StoreError> {
        let except = &claim.except.iter().map(ClientName::as_str).collect::<Vec<_>>();
        let rows = self.pool.run(|mut connection| async move {
            let rows: Vec<DueRow> = sqlx::query_as(CLAIM)
                .bind(i64::from(claim.max))
                .bind(claim.lease.as_secs_f64())
                .bind(except)
                .fetch_all(&mut connection)
                .await?;
            Ok((rows, connection))
        });
        let mut rows = rows.await?;
        rows.sort_unstable_by_key(|row| row.due_at);
        rows.into_iter().map(|row| row.claimed.into_due()).collect()
    }

    /// Records the results of attempts at claimed callbacks.
    pub(crate) async fn record_callbacks(&self, attempted: &[Attempted]) -> Result<(), StoreError> {
        if attempted.is_empty() {
            return Ok(());
        }
        let columns = &AttemptColumns::new(attempted);
        let recorded = self.pool.run(|mut connection| async move {
            columns.write(&mut connection).await?;
            Ok(((), connection))
        });
        Ok(recorded.await?)
    }
}

/// The results as the statement takes them: one array for each column.
#[derive(Default)]
struct AttemptColumns<'a> {
    key: Vec<&'a [u8]>,
    event: Vec<i16>,
    attempt: Vec<i32>,
    state: Vec<i16>,
    due_at: Vec<Option<OffsetDateTime>>,
    status: Vec<Option<i32>>,
    error: Vec<Option<&'static str>>,
    ended_at: Vec<Option<OffsetDateTime>>,
}

impl<'a> AttemptColumns<'a> {
    fn new(attempted: &'a [Attempted]) -> Self {
        let mut columns = Self::default();
        for attempted in attempted {
            let AttemptRow { state, due_at, finished_at } = AttemptRow::of(attempted);
            columns.key.push(attempted.key.as_bytes());
            columns.event.push(event_number(attempted.event));
            columns.attempt.push(attempted.attempt.try_into().unwrap_or(i32::MAX));
            columns.state.push(state);
            columns.due_at.push(due_at);
            columns.status.push(attempted.status.map(i32::from));
            columns.error.push(attempted.error);
            columns.ended_at.push(finished_at);
        }
        columns
    }

    async fn write(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        sqlx::query(RECORD)
            .bind(&self.key)
            .bind(&self.event)
            .bind(&self.attempt)
            .bind(&self.state)
            .bind(&self.due_at)
            .bind(&self.status)
            .bind(&self.error)
            .bind(&self.ended_at)
            .execute(connection)
            .await?;
        Ok(())
    }
}
