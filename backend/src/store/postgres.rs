//! The store in Postgres.
//!
//! `postgres/pool.rs` is the only way to a connection and `postgres/fault.rs` the only
//! judge of what went wrong; each of the others has the statements of one noun. No
//! statement is built at run time.

use std::{fmt, sync::Arc, time::Duration};

use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

use self::{options::Options, pool::Pool};
use crate::store::error::StoreError;
use quhao_common::config::{self, StoreUrl};

mod answers;
mod app_erasure;
mod callbacks;
mod claims;
mod erasure;
mod exchanges;
mod sqlstate;
mod listen;
mod advisory_lock;
mod notification;
mod options;
mod outcomes;
mod phones;
mod pool;
mod purge;
mod schema;
mod sessions;

pub use self::listen::Notifications;

const NOW: &str = "select clock_timestamp()";

/// Results and sessions in a Postgres database, used by any number of processes.
pub struct PostgresStore {
    pool: Pool,
    /// How to connect.
    options: Arc<Options>,
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
        let options = Arc::new(Options::new(url, settings.statement_timeout)?);
        Ok(Self {
            pool: Pool::new(Arc::clone(&options), settings),
            options,
            acquire_timeout: settings.acquire_timeout,
            statement_timeout: settings.statement_timeout,
            closing: CancellationToken::new(),
        })
    }

    /// Connections from now on use the URL in `settings`; those that are there stay. An
    /// error changes nothing.
    pub fn reconfigure(&self, settings: &config::Store) -> Result<(), StoreError> {
        match &settings.url {
            StoreUrl::Postgres(url) => self.options.replace(url),
            // Another kind of store takes a restart.
            StoreUrl::Sqlite(_) => Ok(()),
        }
    }

    /// Starts listening, on a connection beside the pool's. Notification from before are not
    /// heard. Must be called inside a Tokio runtime.
    pub fn listen(&self) -> Notifications {
        Notifications::start(
            Arc::clone(&self.options),
            self.acquire_timeout,
            self.closing.child_token(),
        )
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
    use crate::store::{
        callback::{CallbackFilter, Claim},
        erasure::{AppErasure, Erasure, Tombstone},
    };
    use quhao_common::domain::{
        app::{AppId, ClientName},
        session_handle::HandleKey,
    };

    /// Compiles only if every call may be made from a spawned task, which a borrow held
    /// across the driver's futures quickly prevents.
    #[expect(dead_code, reason = "compiling it is the test")]
    fn every_call_may_be_spawned(store: &PostgresStore, client: &ClientName, app: &AppId) {
        fn spawnable<T: Send>(_: T) {}
        spawnable(store.migrate());
        spawnable(store.schema());
        spawnable(store.answered(&[]));
        spawnable(store.prolong(&[]));
        spawnable(store.finish(&[]));
        spawnable(store.answers(&[]));
        spawnable(store.session_of_code(client, app, &[]));
        spawnable(store.session_of_guest(client, app, ""));
        spawnable(store.session_of_handle(client, app, HandleKey::from_bytes([0; 16])));
        spawnable(store.now());
        spawnable(store.purge(1));
        spawnable(store.close());
    }

    #[expect(dead_code, reason = "compiling it is the test")]
    fn so_may_those_of_erasure(
        store: &PostgresStore,
        (client, app): (&ClientName, &AppId),
        tombstone: &Tombstone,
        person: &Erasure,
        whole_app: &AppErasure,
    ) {
        fn spawnable<T: Send>(_: T) {}
        spawnable(store.erase_job(tombstone));
        spawnable(store.guests_of_phone(client, app, &[]));
        spawnable(store.erase_person(person));
        spawnable(store.erase_app(whole_app));
    }

    #[expect(dead_code, reason = "compiling it is the test")]
    fn so_may_those_of_callbacks(store: &PostgresStore, claim: Claim<'_>, filter: &CallbackFilter) {
        fn spawnable<T: Send>(_: T) {}
        spawnable(store.claim_callbacks(claim));
        spawnable(store.record_callbacks(&[]));
        spawnable(store.callbacks(filter));
        spawnable(store.retry_callbacks(filter));
    }
}
