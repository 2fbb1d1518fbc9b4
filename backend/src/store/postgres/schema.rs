//! The schema: bringing it up to date, and saying what it is.

use std::time::Duration;

use sqlx::{
    Connection, SqlSafeStr,
    migrate::{Migrate, MigrateError, Migration, MigrationType},
    postgres::PgConnection,
};
use tokio::time::timeout;

use super::{PostgresStore, pool, sqlstate::Fault};
use crate::{schema_version::Schema, store::error::StoreError};

/// Limit of bringing the schema up to date, waiting for another process included: a
/// later migration may have an index to build.
const MIGRATE_TIMEOUT: Duration = Duration::from_mins(10);

/// Where sqlx writes down what was applied.
const HISTORY: &str = "_sqlx_migrations";

const PRESENT: &str = "select to_regclass('_sqlx_migrations') is not null, \
                              to_regclass('quhao_schema') is not null";
const VERSION: &str = "select coalesce(max(version), 0) from _sqlx_migrations where success";
const MIN_COMPATIBLE: &str = "select coalesce(max(min_compatible), 0) from quhao_schema";

/// In the order of their numbers.
fn migrations() -> Vec<Migration> {
    let files = [
        (
            1,
            "answers and sessions",
            include_str!("../../../../migrations/postgres/0001_answers_and_sessions.sql"),
        ),
        (
            2,
            "handles, erasures, callbacks",
            include_str!("../../../../migrations/postgres/0002_handles_erasures_callbacks.sql"),
        ),
    ];
    let simple = MigrationType::Simple;
    files
        .map(|(number, name, sql)| {
            Migration::new(number, name.into(), simple, sql.into_sql_str(), false)
        })
        .into()
}

impl PostgresStore {
    /// Brings the schema to [`crate::schema_version::SCHEMA_VERSION`]; says which migrations it
    /// applied. Several processes may do so at once: one works, the others wait for it.
    /// Ends within ten minutes.
    pub async fn migrate(&self) -> Result<Vec<i64>, StoreError> {
        // A connection of its own: building an index takes longer than any statement may.
        let mut connection = pool::connect(&self.options.unlimited(), self.acquire_timeout).await?;
        let applied = timeout(MIGRATE_TIMEOUT, apply(&mut connection))
            .await
            .unwrap_or(Err(Fault::Silent(MIGRATE_TIMEOUT)))?;
        let _ = timeout(self.acquire_timeout, connection.close()).await;
        Ok(applied)
    }

    /// What the schema is now.
    pub async fn schema(&self) -> Result<Schema, StoreError> {
        let schema = self.pool.run(|mut connection| async move {
            let (history, compatible): (bool, bool) =
                sqlx::query_as(PRESENT).fetch_one(&mut connection).await?;
            let version = if history {
                sqlx::query_scalar(VERSION).fetch_one(&mut connection).await?
            } else {
                0
            };
            let min_compatible = if compatible {
                sqlx::query_scalar(MIN_COMPATIBLE).fetch_one(&mut connection).await?
            } else {
                0
            };
            Ok((Schema { version, min_compatible }, connection))
        });
        Ok(schema.await?)
    }
}

/// Under an advisory lock, which ends with the connection if not before. Each migration
/// is one transaction, its line in the history included.
async fn apply(connection: &mut PgConnection) -> Result<Vec<i64>, Fault> {
    connection.lock().await?;
    connection.ensure_migrations_table(HISTORY).await?;
    let history = connection.list_applied_migrations(HISTORY).await?;
    let mut applied = Vec::new();
    // A history longer than this build's is fine: a newer build was here, and what it
    // leaves usable says `min_compatible`.
    for migration in migrations() {
        match history.iter().find(|past| past.version == migration.version) {
            None => {
                connection.apply(HISTORY, &migration).await?;
                applied.push(migration.version);
            }
            Some(past) if past.checksum == migration.checksum => {}
            Some(past) => return Err(MigrateError::VersionMismatch(past.version).into()),
        }
    }
    connection.unlock().await?;
    Ok(applied)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema_version::SCHEMA_VERSION;

    #[test]
    fn the_newest_migration_is_this_builds_schema() {
        let versions: Vec<i64> = migrations().iter().map(|migration| migration.version).collect();
        assert_eq!(versions, (1..=SCHEMA_VERSION).collect::<Vec<_>>());
    }
}
