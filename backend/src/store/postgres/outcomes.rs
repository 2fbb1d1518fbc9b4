//! Commits a batch of outcomes.

use sqlx::{
    Connection, FromRow, Row,
    postgres::{PgConnection, PgRow},
};
use time::OffsetDateTime;

use super::{
    PostgresStore, advisory_lock::BEGIN_COMMIT, callbacks, exchanges::SessionColumns, notification,
    phones,
};
use crate::store::{
    answer_row::{FAILED, SUCCEEDED},
    batch::{Ranked, guest_updates, ranked},
    error::StoreError,
    throughput::Throughput,
};
use quhao_common::domain::{
    failure::FailureCode,
    finished::{FinalState, Finished},
};

/// Writes the answers that improve on what is there, makes their events due, and queues the
/// notification, which Postgres delivers with the commit.
///
/// - Of an erased outcome only the fact is written, so that the job is known.
/// - Failure `$17` may replace failure `$18`, see [`FailureCode::replaces`].
/// - A row past its retention counts as gone: the same submission may come again after days.
///
/// Returns which outcomes were erased, which answers replaced others (such a row has an
/// `xmax`), so that earlier events may be outdated, and which failures were not written. The
/// rows that those concern may be in no snapshot of this statement, if it waited for another
/// commit; so the next statements change them.
///
/// Whether an outcome was erased is computed in a column and not in a condition. That would
/// become a join, which changes the order of the rows, and so of their locks.
const WRITE: &str = "\
    with judged as (\
        select *, exists (\
            select from erasures as e where e.app = i.app and e.purge_at > now() \
            and e.erased_at >= i.created_at \
            and e.subject = any(array['\\x00000000000000000000000000000000'::bytea, \
                                      i.guest_hash, i.phone_hash])) as erased \
        from unnest($1::bytea[], $2::text[], $3::text[], $4::smallint[], $5::text[], \
                    $6::timestamptz[], $7::timestamptz[], $8::timestamptz[], \
                    $9::timestamptz[], $10::bytea[], $11::text[], $12::bytea[], \
                    $13::bytea[], $14::timestamptz[], $15::bool[], $16::integer[]) \
            as i (key, client, app, status, failure, created_at, expires_at, finished_at, \
                  purge_at, answer, openid, guest_hash, phone_hash, callback, best, number)\
    ), written as (\
        insert into jobs as old (key, client, app, status, failure, created_at, expires_at, \
                                 finished_at, purge_at, answer, openid, phone_hash) \
        select key, client, app, case when erased then 3 else status end, \
            case when not erased then failure end, created_at, expires_at, finished_at, \
            purge_at, case when erased then '' else answer end, \
            case when not erased then openid end, case when not erased then phone_hash end \
        from judged where best \
        on conflict (key) do update set \
            client = excluded.client, app = excluded.app, status = excluded.status, \
            failure = excluded.failure, created_at = excluded.created_at, \
            expires_at = excluded.expires_at, finished_at = excluded.finished_at, \
            purge_at = greatest(old.purge_at, excluded.purge_at), answer = excluded.answer, \
            openid = excluded.openid, phone_hash = excluded.phone_hash \
        where excluded.status > old.status \
           or (excluded.failure = $17 and old.failure = $18) \
           or old.purge_at <= now() \
        returning key, client, app, status, purge_at, xmax::text <> '0' as replaced\
    ), due as (\
        insert into callbacks as old (key, event, client, app, due_at, created_at, purge_at) \
        select key, w.status, w.client, w.app, greatest(now(), callback), \
               greatest(now(), callback), w.purge_at \
        from written as w join judged using (key) \
        where best and callback is not null and not erased \
        on conflict (key, event) do update set \
            client = excluded.client, app = excluded.app, state = 0, attempts = 0, \
            due_at = excluded.due_at, created_at = excluded.created_at, \
            purge_at = excluded.purge_at, last_status = null, last_error = null, \
            finished_at = null \
        where old.purge_at <= now()\
    ) select array(select number from judged where erased) as erased, \
             array(select key from written where replaced and status > 1) as replaced, \
             array(select number from judged as j where status = 1 and not erased \
                   and not (best and exists (select from written as w where w.key = j.key))) \
                 as unwritten, \
             pg_notify($19, $20)";

/// Moves the deadline of answers that a deadline passed: a duplicate with a later one has failed
/// too, so the answer is valid for it as well. [`WRITE`] has locked the rows.
const EXTEND: &str = "\
    with later as (\
        select key, max(expires_at) as expires_at, max(purge_at) as purge_at \
        from unnest($1::bytea[], $2::timestamptz[], $3::timestamptz[]) \
            as l (key, expires_at, purge_at) group by key\
    ) update jobs as j set expires_at = l.expires_at, \
                           purge_at = greatest(j.purge_at, l.purge_at) \
    from later as l where j.key = l.key and j.failure = $4 and j.expires_at < l.expires_at";

/// What [`WRITE`] returns.
struct Written {
    /// The numbers of outcomes that were erased.
    erased: Vec<i32>,
    /// The keys of answers that replaced others.
    replaced: Vec<Vec<u8>>,
    /// The numbers of failures that were not written, since there was an answer.
    unwritten: Vec<i32>,
}

impl FromRow<'_, PgRow> for Written {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            erased: row.try_get("erased")?,
            replaced: row.try_get("replaced")?,
            unwritten: row.try_get("unwritten")?,
        })
    }
}

impl PostgresStore {
    /// Commits a batch of outcomes with their sessions, and notifies listeners.
    pub(crate) async fn finish(&self, batch: &[Finished]) -> Result<(), StoreError> {
        if batch.is_empty() {
            return Ok(());
        }
        let ranked = &ranked(batch);
        let best = ranked.iter().filter(|outcome| outcome.best);
        let keys: Vec<_> = best.map(|outcome| &outcome.finished.key).collect();
        let payload = &notification::payload(keys.into_iter(), Throughput::of(batch));
        let columns = &Columns::new(ranked);
        // All transactions take their locks in the same order: jobs by key, then their
        // callbacks, then guests.
        let committed = self.pool.run(|mut connection| async move {
            let mut transaction = connection.begin_with(BEGIN_COMMIT).await?;
            let written = columns.write(&mut transaction, payload).await?;
            extend(&mut transaction, written.unwritten_failures(ranked)).await?;
            callbacks::cancel_outdated(&mut transaction, &written.replaced).await?;
            let updates = guest_updates(written.kept(ranked));
            phones::store(&mut transaction, &updates).await?;
            for round in &updates.rounds {
                SessionColumns::new(round).write(&mut transaction).await?;
            }
            transaction.commit().await?;
            Ok(((), connection))
        });
        Ok(committed.await?)
    }
}

impl Written {
    /// Returns the outcomes that were not erased.
    fn kept<'a>(&self, ranked: &[Ranked<'a>]) -> Vec<&'a Finished> {
        let numbered = (0..).zip(ranked).filter(|(number, _)| !self.erased.contains(number));
        numbered.map(|(_, outcome)| outcome.finished).collect()
    }

    /// Returns the failures that were not written.
    fn unwritten_failures<'a>(&self, ranked: &[Ranked<'a>]) -> Vec<&'a Finished> {
        let numbered = (0..).zip(ranked).filter(|(number, _)| self.unwritten.contains(number));
        numbered.map(|(_, outcome)| outcome.finished).collect()
    }
}

/// Extends the answers that are valid for these failures too. Part of a transaction.
async fn extend(
    connection: &mut PgConnection,
    failures: Vec<&Finished>,
) -> Result<(), sqlx::Error> {
    if failures.is_empty() {
        return Ok(());
    }
    let keys = failures.iter().map(|finished| finished.key.as_bytes().as_slice());
    sqlx::query(EXTEND)
        .bind(keys.collect::<Vec<_>>())
        .bind(failures.iter().map(|finished| finished.expires_at).collect::<Vec<_>>())
        .bind(failures.iter().map(|finished| finished.purge_at).collect::<Vec<_>>())
        .bind(FailureCode::DeadlineExceeded.as_str())
        .execute(connection)
        .await?;
    Ok(())
}

/// A batch as the statement takes it: one array for each column.
#[derive(Default)]
struct Columns<'a> {
    key: Vec<&'a [u8]>,
    client: Vec<&'a str>,
    app: Vec<&'a str>,
    status: Vec<i16>,
    failure: Vec<Option<&'static str>>,
    created_at: Vec<OffsetDateTime>,
    expires_at: Vec<OffsetDateTime>,
    finished_at: Vec<OffsetDateTime>,
    purge_at: Vec<OffsetDateTime>,
    answer: Vec<&'a [u8]>,
    openid: Vec<Option<&'a str>>,
    guest_hash: Vec<Option<&'a [u8]>>,
    phone_hash: Vec<Option<&'a [u8]>>,
    callback: Vec<Option<OffsetDateTime>>,
    best: Vec<bool>,
    number: Vec<i32>,
}

impl<'a> Columns<'a> {
    fn new(ranked: &[Ranked<'a>]) -> Self {
        let mut columns = Self::default();
        for (number, Ranked { finished, best }) in (0..).zip(ranked) {
            let (status, failure) = match finished.final_state {
                FinalState::Failed(code) => (FAILED, Some(code.as_str())),
                FinalState::Succeeded => (SUCCEEDED, None),
            };
            columns.key.push(finished.key.as_bytes());
            columns.client.push(finished.client.as_str());
            columns.app.push(finished.app.as_str());
            columns.status.push(status);
            columns.failure.push(failure);
            columns.created_at.push(finished.created_at);
            columns.expires_at.push(finished.expires_at);
            columns.finished_at.push(finished.finished_at);
            columns.purge_at.push(finished.purge_at);
            columns.answer.push(finished.answer.as_bytes());
            columns.openid.push(finished.openid.as_deref());
            columns.guest_hash.push(finished.guest_hash.as_ref().map(<[u8; 16]>::as_slice));
            columns.phone_hash.push(finished.phone_hash.as_ref().map(<[u8; 16]>::as_slice));
            columns.callback.push(finished.callback);
            columns.best.push(*best);
            columns.number.push(number);
        }
        columns
    }

    async fn write(
        &self,
        connection: &mut PgConnection,
        payload: &str,
    ) -> Result<Written, sqlx::Error> {
        sqlx::query_as(WRITE)
            .bind(&self.key)
            .bind(&self.client)
            .bind(&self.app)
            .bind(&self.status)
            .bind(&self.failure)
            .bind(&self.created_at)
            .bind(&self.expires_at)
            .bind(&self.finished_at)
            .bind(&self.purge_at)
            .bind(&self.answer)
            .bind(&self.openid)
            .bind(&self.guest_hash)
            .bind(&self.phone_hash)
            .bind(&self.callback)
            .bind(&self.best)
            .bind(&self.number)
            .bind(FailureCode::SessionLost.as_str())
            .bind(FailureCode::CodeAlreadyUsed.as_str())
            .bind(notification::CHANNEL)
            .bind(payload)
            .fetch_one(connection)
            .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statement_knows_every_failure_that_replaces() {
        for code in FailureCode::ALL {
            for earlier in FailureCode::ALL {
                let expected =
                    (*code, *earlier) == (FailureCode::SessionLost, FailureCode::CodeAlreadyUsed);
                assert_eq!(code.replaces(*earlier), expected, "{code:?} over {earlier:?}");
            }
        }
    }
}
