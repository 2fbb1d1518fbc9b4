//! The schema: its version and its migrations.

use std::time::Duration;

use sqlx::{
    Connection, SqlSafeStr,
    migrate::{Migrate, MigrateError, Migration, MigrationType},
    postgres::PgConnection,
};
use tokio::time::timeout;

use super::{PostgresStore, pool, sqlstate::PgError};
use crate::{schema_version::Schema, store::error::StoreError};

/// The time limit of all migrations, waiting for another process included: a later one may have
/// to build an index.
const MIGRATE_TIMEOUT: Duration = Duration::from_mins(10);

/// The table in which sqlx records what was applied.
const HISTORY: &str = "_sqlx_migrations";

const HAS_HISTORY: &str = "select to_regclass('_sqlx_migrations') is not null";
const HAS_MIN_COMPATIBLE: &str = "select to_regclass('quhao_schema') is not null";
const VERSION: &str = "select coalesce(max(version), 0) from _sqlx_migrations where success";
const MIN_COMPATIBLE: &str = "select coalesce(max(min_compatible), 0) from quhao_schema";

/// Returns the migrations of this build, in the order of their numbers.
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
    /// Migrates the schema to [`crate::schema_version::SCHEMA_VERSION`]. Returns the migrations
    /// that were applied. Several processes may do so at once: one migrates, the others wait for
    /// it. Ends within ten minutes.
    pub(crate) async fn migrate(&self) -> Result<Vec<i64>, StoreError> {
        // A connection of its own: building an index takes longer than any statement may.
        let mut connection = pool::connect(&self.options.unlimited(), self.acquire_timeout).await?;
        let applied = timeout(MIGRATE_TIMEOUT, apply(&mut connection))
            .await
            .unwrap_or(Err(PgError::Timeout(MIGRATE_TIMEOUT)))?;
        let _ = timeout(self.acquire_timeout, connection.close()).await;
        Ok(applied)
    }

    /// Returns the version of the schema.
    pub(crate) async fn schema(&self) -> Result<Schema, StoreError> {
        let schema = self.pool.run(|mut connection| async move {
            let schema = Schema {
                version: number(&mut connection, HAS_HISTORY, VERSION).await?,
                min_compatible: number(&mut connection, HAS_MIN_COMPATIBLE, MIN_COMPATIBLE).await?,
            };
            Ok((schema, connection))
        });
        Ok(schema.await?)
    }
}

/// Returns the number that `select` finds; 0 if its table does not exist.
async fn number(
    connection: &mut PgConnection,
    has_table: &'static str,
    select: &'static str,
) -> Result<i64, sqlx::Error> {
    if sqlx::query_scalar(has_table).fetch_one(&mut *connection).await? {
        sqlx::query_scalar(select).fetch_one(connection).await
    } else {
        Ok(0)
    }
}

/// Applies the migrations that the database lacks, under an advisory lock, which ends with the
/// connection if not before. Each migration is one transaction, its line in the history
/// included.
async fn apply(connection: &mut PgConnection) -> Result<Vec<i64>, PgError> {
    connection.lock().await?;
    connection.ensure_migrations_table(HISTORY).await?;
    let history = connection.list_applied_migrations(HISTORY).await?;
    let mut applied = Vec::new();
    // A history longer than this build's is fine: a newer build has migrated the database, and
    // `min_compatible` says whether this one can still use it.
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
    fn newest_migration_is_the_schema_version() {
        let versions: Vec<i64> = migrations().iter().map(|migration| migration.version).collect();
        assert_eq!(versions, (1..=SCHEMA_VERSION).collect::<Vec<_>>());
    }
}
