//! The schema of the file: its version and its migrations.

use std::{collections::BTreeSet, time::Duration};

use sqlx::{
    SqlSafeStr, SqliteConnection,
    migrate::{Migration, MigrationType, Migrator},
};

use super::{Database, DatabaseError};
use crate::schema_version::Schema;

/// The time limit of all migrations: a later one may have to build an index.
const MIGRATE_LIMIT: Duration = Duration::from_mins(10);

const HAS_TABLE: &str = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = ?1";
const APPLIED: &str = "SELECT version FROM _sqlx_migrations WHERE success ORDER BY version";
const MIN_COMPATIBLE: &str = "SELECT min_compatible FROM quhao_schema";

impl Database {
    /// Applies the migrations that the file lacks, in one transaction, and returns which. A
    /// file of a newer build is left as it is. Ends within ten minutes.
    pub(crate) async fn migrate(&self) -> Result<Vec<i64>, DatabaseError> {
        self.write(MIGRATE_LIMIT, |connection| Box::pin(migrate(connection))).await
    }

    /// Returns the version of the schema.
    pub(crate) async fn schema(&self, limit: Duration) -> Result<Schema, DatabaseError> {
        self.read(limit, |connection| Box::pin(schema(connection))).await
    }
}

fn migrator() -> Migrator {
    let files = [
        (
            1,
            "answers, sessions, queue",
            include_str!("../../../migrations/sqlite/0001_answers_sessions_queue.sql"),
        ),
        (
            2,
            "handles, erasures, callbacks",
            include_str!("../../../migrations/sqlite/0002_handles_erasures_callbacks.sql"),
        ),
    ];
    let simple = MigrationType::Simple;
    let migrations = files.map(|(number, name, sql)| {
        Migration::new(number, name.into(), simple, sql.into_sql_str(), false)
    });
    let mut migrator = Migrator::with_migrations(migrations.into());
    // A newer build may have migrated the file; `min_compatible` says whether this one can
    // still use it.
    migrator.set_ignore_missing(true);
    migrator
}

async fn migrate(connection: &mut SqliteConnection) -> Result<Vec<i64>, sqlx::Error> {
    let before: BTreeSet<i64> = applied(connection).await?.into_iter().collect();
    migrator().run_direct(None, connection, false).await?;
    let mut versions = applied(connection).await?;
    versions.retain(|version| !before.contains(version));
    Ok(versions)
}

async fn schema(connection: &mut SqliteConnection) -> Result<Schema, sqlx::Error> {
    let version = applied(connection).await?.last().copied().unwrap_or(0);
    let min_compatible = if has_table(connection, "quhao_schema").await? {
        sqlx::query_scalar(MIN_COMPATIBLE).fetch_optional(connection).await?.unwrap_or(0)
    } else {
        0
    };
    Ok(Schema { version, min_compatible })
}

async fn applied(connection: &mut SqliteConnection) -> Result<Vec<i64>, sqlx::Error> {
    if has_table(connection, "_sqlx_migrations").await? {
        sqlx::query_scalar(APPLIED).fetch_all(connection).await
    } else {
        Ok(Vec::new())
    }
}

async fn has_table(connection: &mut SqliteConnection, name: &str) -> Result<bool, sqlx::Error> {
    let count: i64 = sqlx::query_scalar(HAS_TABLE).bind(name).fetch_one(connection).await?;
    Ok(count > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema_version::SCHEMA_VERSION;

    #[test]
    fn newest_migration_is_the_schema_version() {
        let versions: Vec<i64> = migrator().iter().map(|migration| migration.version).collect();
        assert_eq!(versions, (1..=SCHEMA_VERSION).collect::<Vec<_>>());
    }
}
