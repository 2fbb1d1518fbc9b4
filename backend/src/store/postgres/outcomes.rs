//! Committing a batch of outcomes.

use sqlx::{Connection, postgres::PgConnection};
use time::OffsetDateTime;

use super::{
    PostgresStore, advisory_lock::BEGIN_COMMIT, callbacks, exchanges::SessionColumns, notification,
    phones,
};
use crate::store::{
    batch::{Ranked, guests, ranked},
    error::StoreError,
    throughput::Throughput,
};
use quhao_common::domain::{
    failure::FailureCode,
    finished::{FinalState, Finished},
};

const FAILED: i16 = 1;
const SUCCEEDED: i16 = 2;

/// Writes the answers that improve on what is there, makes word of them due, and queues the
/// news, which Postgres delivers with the commit.
///
/// - What was erased is written as the fact alone, so that the job is known.
/// - `$17` may replace `$18`, see [`FailureCode::replaces`].
/// - A row past its time counts as gone: the same submission may come again after days.
///
/// Says which outcomes were erased, whose earlier word may have been outgrown (a row that was
/// there before has an `xmax`), and which failures were not written. What those concern may
/// be in no snapshot of this statement, if another commit was waited for; so it is the next
/// statements' matter.
///
/// The judgement stands in a column and not in a condition, which would become a join that
/// changes the order of the rows, and so of their locks.
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
    ) select array(select number from judged where erased), \
             array(select key from written where replaced and status > 1), \
             array(select number from judged as j where status = 1 and not erased \
                   and not (best and exists (select from written as w where w.key = j.key))), \
             pg_notify($19, $20)";

/// A later copy of a job whose deadline passed has failed, too: that holds for it as well.
/// The rows are locked since [`WRITE`].
const HOLD_LONGER: &str = "\
    with later as (\
        select key, max(expires_at) as expires_at, max(purge_at) as purge_at \
        from unnest($1::bytea[], $2::timestamptz[], $3::timestamptz[]) \
            as l (key, expires_at, purge_at) group by key\
    ) update jobs as j set expires_at = l.expires_at, \
                           purge_at = greatest(j.purge_at, l.purge_at) \
    from later as l where j.key = l.key and j.failure = $4 and j.expires_at < l.expires_at";

/// What [`WRITE`] says.
struct Written {
    /// The places of outcomes that nothing is kept of.
    erased: Vec<i32>,
    /// The keys of answers that took the place of others.
    replaced: Vec<Vec<u8>>,
    /// The places of failures that were not written, since there was an answer.
    outdone: Vec<i32>,
}

impl PostgresStore {
    /// Commits a batch of outcomes with their sessions, and tells listeners.
    pub async fn finish(&self, batch: &[Finished]) -> Result<(), StoreError> {
        if batch.is_empty() {
            return Ok(());
        }
        let ranked = &ranked(batch);
        let keys: Vec<_> = ranked.iter().filter(|of| of.best).map(|of| &of.finished.key).collect();
        let news = &notification::payload(keys.into_iter(), Throughput::of(batch));
        let columns = &Columns::new(ranked);
        // Every writer takes its locks in the same order: jobs by key, then their
        // callbacks, then guests.
        let committed = self.pool.run(|mut connection| async move {
            let mut transaction = connection.begin_with(BEGIN_COMMIT).await?;
            let written = columns.write(&mut transaction, news).await?;
            hold_longer(&mut transaction, written.outdone(ranked)).await?;
            callbacks::cancel_outgrown(&mut transaction, &written.replaced).await?;
            let guests = guests(written.kept(ranked));
            phones::give(&mut transaction, &guests).await?;
            for round in &guests.rounds {
                SessionColumns::new(round).write(&mut transaction).await?;
            }
            transaction.commit().await?;
            Ok(((), connection))
        });
        Ok(committed.await?)
    }
}

impl Written {
    /// The outcomes that were not erased.
    fn kept<'a>(&self, ranked: &[Ranked<'a>]) -> impl Iterator<Item = &'a Finished> {
        let kept = |number| !self.erased.contains(&number);
        (0..).zip(ranked).filter(move |(number, _)| kept(*number)).map(|(_, of)| of.finished)
    }

    /// The failures that were not written.
    fn outdone<'a>(&self, ranked: &[Ranked<'a>]) -> Vec<&'a Finished> {
        let numbered = (0..).zip(ranked).filter(|(number, _)| self.outdone.contains(number));
        numbered.map(|(_, of)| of.finished).collect()
    }
}

/// Part of a transaction.
async fn hold_longer(
    connection: &mut PgConnection,
    outdone: Vec<&Finished>,
) -> Result<(), sqlx::Error> {
    if outdone.is_empty() {
        return Ok(());
    }
    let keys = outdone.iter().map(|of| of.key.as_bytes().as_slice());
    sqlx::query(HOLD_LONGER)
        .bind(keys.collect::<Vec<_>>())
        .bind(outdone.iter().map(|of| of.expires_at).collect::<Vec<_>>())
        .bind(outdone.iter().map(|of| of.purge_at).collect::<Vec<_>>())
        .bind(FailureCode::DeadlineExceeded.as_str())
        .execute(connection)
        .await?;
    Ok(())
}

/// A batch as the statement takes it: one array a column.
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
        news: &str,
    ) -> Result<Written, sqlx::Error> {
        let (erased, replaced, outdone) = sqlx::query_as(WRITE)
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
            .bind(news)
            .fetch_one(connection)
            .await?;
        Ok(Written { erased, replaced, outdone })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_statement_knows_every_failure_that_replaces_another() {
        for code in FailureCode::ALL {
            for earlier in FailureCode::ALL {
                let known =
                    (*code, *earlier) == (FailureCode::SessionLost, FailureCode::CodeAlreadyUsed);
                assert_eq!(code.replaces(*earlier), known, "{code:?} over {earlier:?}");
            }
        }
    }
}
