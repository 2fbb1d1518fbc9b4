//! The store in Postgres.
//!
//! `postgres/pool.rs` is the only way to a connection and `postgres/fault.rs` the only
//! judge of what went wrong; each of the others has the statements of one noun. No
//! statement is built at run time.

use std::{fmt, sync::Arc, time::Duration};

use sqlx::{Connection, postgres::PgConnectOptions};
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

use self::{answers::JobColumns, pool::Pool, sessions::SessionColumns};
use crate::{
    config::{self, StoreUrl},
    store::{
        Finished, StoreError,
        batch::{best_of_each, session_rounds},
    },
};

mod answers;
mod fault;
mod feed;
mod news;
mod options;
mod pool;
mod purge;
mod schema;
mod sessions;

pub use self::feed::Feed;

const NOW: &str = "select clock_timestamp()";

/// Results and sessions in a Postgres database, used by any number of processes.
pub struct PostgresStore {
    pool: Pool,
    /// How to connect, with the limits that the server keeps.
    limited: Arc<PgConnectOptions>,
    /// The same without: for migrations.
    unlimited: Arc<PgConnectOptions>,
    acquire_timeout: Duration,
    statement_timeout: Duration,
    closing: CancellationToken,
}

impl fmt::Debug for PostgresStore {
    /// Leaves the options out: they hold the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore").field("pool", &self.pool).finish_non_exhaustive()
    }
}

impl PostgresStore {
    /// Reads the settings; connects when first used. Fails only on a URL that can never
    /// work, with a text that does not quote it.
    pub fn open(settings: &config::Store) -> Result<Self, StoreError> {
        let StoreUrl::Postgres(url) = &settings.url else {
            return Err(StoreError::Settings("store.url is not a postgres:// URL".to_owned()));
        };
        let unlimited = options::parse(url)?;
        let limited = Arc::new(options::with_limits(unlimited.clone(), settings.statement_timeout));
        Ok(Self {
            pool: Pool::new(Arc::clone(&limited), settings),
            limited,
            unlimited: Arc::new(unlimited),
            acquire_timeout: settings.acquire_timeout,
            statement_timeout: settings.statement_timeout,
            closing: CancellationToken::new(),
        })
    }

    /// Commits a batch of outcomes with their sessions, and tells listeners.
    pub async fn finish(&self, batch: &[Finished]) -> Result<(), StoreError> {
        if batch.is_empty() {
            return Ok(());
        }
        let best = best_of_each(batch);
        let news = news::payload(best.iter().map(|finished| &finished.key));
        let jobs = JobColumns::new(&best);
        let rounds: Vec<_> =
            session_rounds(batch).iter().map(|round| SessionColumns::new(round)).collect();
        let (news, jobs, rounds) = (&news, &jobs, &rounds);
        // Every writer takes its locks in the same order: jobs by key, then guests.
        let written = self.pool.run(|mut connection| async move {
            let mut transaction = connection.begin().await?;
            jobs.write(&mut transaction, news::CHANNEL, news).await?;
            for round in rounds {
                round.write(&mut transaction).await?;
            }
            transaction.commit().await?;
            Ok(((), connection))
        });
        Ok(written.await?)
    }

    /// Starts listening, on a connection beside the pool's. News from before are not
    /// heard. Must be called inside a Tokio runtime.
    pub fn listen(&self) -> Feed {
        Feed::start(Arc::clone(&self.limited), self.acquire_timeout, self.closing.child_token())
    }

    /// The store's clock, to judge our own by.
    pub async fn now(&self) -> Result<OffsetDateTime, StoreError> {
        let now = self.pool.run(|mut connection| async move {
            let now = sqlx::query_scalar(NOW).fetch_one(&mut connection).await?;
            Ok((now, connection))
        });
        Ok(now.await?)
    }

    /// Ends all connections: those under way get `statement_timeout` to finish, the
    /// goodbyes the same. Feeds fall silent.
    pub async fn close(&self) {
        self.closing.cancel();
        self.pool.close(self.statement_timeout).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::{AppId, ClientName};

    /// Compiles only if every call may be made from a spawned task, which a borrow held
    /// across the driver's futures quickly prevents.
    #[expect(dead_code, reason = "compiling it is the test")]
    fn every_call_may_be_spawned(store: &PostgresStore, client: &ClientName, app: &AppId) {
        fn spawnable<T: Send>(_: T) {}
        spawnable(store.migrate());
        spawnable(store.schema());
        spawnable(store.known(&[]));
        spawnable(store.finish(&[]));
        spawnable(store.answers(&[]));
        spawnable(store.session_of_code(client, app, &[]));
        spawnable(store.session_of_guest(client, app, ""));
        spawnable(store.now());
        spawnable(store.close());
    }
}
