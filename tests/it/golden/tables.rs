//! Databases as an earlier build left them: tables, columns and rows by the names of then.
//! Nothing of the product is asked.

use std::{fs, path::Path};

use quhao_tests::config::Backing;
use serde_json::{Map, Value};
use sqlx::{
    AssertSqlSafe, Connection, PgConnection, SqlSafeStr, SqliteConnection,
    migrate::{Migration, MigrationType, Migrator},
    sqlite::SqliteConnectOptions,
};

use super::file::{array, text};

/// The schema that the rows of the data files are of.
const SCHEMA: i64 = 2;

/// A connection beside the product's.
pub(super) enum Tables {
    Postgres(PgConnection),
    Sqlite(SqliteConnection),
}

impl Tables {
    /// Connects to the database of `backing`, or to the file at `path` where there is none.
    pub(super) async fn of(backing: &Backing, path: &Path) -> Self {
        match backing {
            Backing::Servers { database, .. } => {
                let mut tables = Self::Postgres(database.connect().await);
                tables.run("set timezone = 'UTC'".to_owned()).await;
                tables
            }
            Backing::File => {
                let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
                Self::Sqlite(SqliteConnection::connect_with(&options).await.unwrap())
            }
        }
    }

    /// Ends the connection: a file has one process.
    pub(super) async fn close(self) {
        match self {
            Self::Postgres(connection) => connection.close().await.unwrap(),
            Self::Sqlite(connection) => connection.close().await.unwrap(),
        }
    }

    /// Makes the database anew, of the schema of the data files and with these rows.
    pub(super) async fn restore(&mut self, tables: &Value) {
        let migrator = migrator(self.folder());
        match self {
            Self::Postgres(connection) => {
                for statement in ["drop schema public cascade", "create schema public"] {
                    sqlx::query(statement).execute(&mut *connection).await.unwrap();
                }
                migrator.run_direct(None, connection, false).await.unwrap();
            }
            Self::Sqlite(connection) => {
                migrator.run_direct(None, connection, false).await.unwrap();
            }
        }
        for (table, rows) in tables.as_object().unwrap() {
            // A migration may have left one.
            self.run(format!("delete from {table}")).await;
            for row in rows.as_array().unwrap() {
                self.insert(table, row.as_object().unwrap()).await;
            }
        }
    }

    async fn insert(&mut self, table: &str, row: &Map<String, Value>) {
        let columns: Vec<&str> = row.keys().map(String::as_str).collect();
        let values: Vec<String> = row.values().map(|value| self.literal(value)).collect();
        let (columns, values) = (columns.join(", "), values.join(", "));
        self.run(format!("insert into {table} ({columns}) values ({values})")).await;
    }

    /// Writes a value as SQL: the file has texts for Postgres to read, and literals of SQLite.
    fn literal(&self, value: &Value) -> String {
        match (self, value.as_str()) {
            (_, None) => "null".to_owned(),
            (Self::Postgres(_), Some(text)) => format!("'{}'", text.replace('\'', "''")),
            (Self::Sqlite(_), Some(literal)) => literal.to_owned(),
        }
    }

    /// Returns what is in those tables and columns that `like` has, with its rows in order.
    pub(super) async fn dump(&mut self, like: &Value) -> Value {
        let mut dump = Map::new();
        for (table, rows) in like.as_object().unwrap() {
            let columns: Vec<&String> = rows[0].as_object().unwrap().keys().collect();
            dump.insert(table.clone(), self.rows(table, &columns).await.into());
        }
        dump.into()
    }

    async fn rows(&mut self, table: &str, columns: &[&String]) -> Vec<Value> {
        let of_column = |column: &&String| match self {
            Self::Postgres(_) => format!("{column}::text"),
            Self::Sqlite(_) => format!("'{column}', quote({column})"),
        };
        let columns = columns.iter().map(of_column).collect::<Vec<_>>().join(", ");
        let mut rows = match self {
            Self::Postgres(_) => {
                let rows = format!("select {columns} from {table}");
                self.texts(format!("select row_to_json(t)::text from ({rows}) as t")).await
            }
            Self::Sqlite(_) => {
                self.texts(format!("select json_object({columns}) from {table}")).await
            }
        };
        rows.sort();
        rows.iter().map(|row| serde_json::from_str(row).unwrap()).collect()
    }

    /// Returns the only column of what a statement finds.
    async fn texts(&mut self, sql: String) -> Vec<String> {
        let (query, shown) = (AssertSqlSafe(sql.clone()), sql);
        let found = match self {
            Self::Postgres(connection) => sqlx::query_scalar(query).fetch_all(connection).await,
            Self::Sqlite(connection) => sqlx::query_scalar(query).fetch_all(connection).await,
        };
        found.unwrap_or_else(|error| panic!("{shown}: {error}"))
    }

    /// Runs a statement.
    pub(super) async fn run(&mut self, sql: String) {
        let (query, shown) = (AssertSqlSafe(sql.clone()), sql);
        let done = match self {
            Self::Postgres(connection) => sqlx::raw_sql(query).execute(connection).await.map(drop),
            Self::Sqlite(connection) => sqlx::raw_sql(query).execute(connection).await.map(drop),
        };
        done.unwrap_or_else(|error| panic!("{shown}: {error}"));
    }

    fn folder(&self) -> &'static str {
        match self {
            Self::Postgres(_) => "postgres",
            Self::Sqlite(_) => "sqlite",
        }
    }
}

/// Reads the migrations up to [`SCHEMA`], by the numbers in the names of their files.
fn migrator(database: &str) -> Migrator {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations").join(database);
    let files = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let mut migrations: Vec<_> = files
        .filter_map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let version: i64 = name.split('_').next().unwrap().parse().ok()?;
            let sql = AssertSqlSafe(fs::read_to_string(&path).unwrap()).into_sql_str();
            let kind = MigrationType::Simple;
            let migration = Migration::new(version, name.into(), kind, sql, false);
            (version <= SCHEMA).then_some(migration)
        })
        .collect();
    migrations.sort_by_key(|migration| migration.version);
    assert_eq!(migrations.len(), 2, "the migrations up to {SCHEMA}");
    Migrator::with_migrations(migrations)
}

/// Returns which migrations rows of `_sqlx_migrations` name, and what each file hashes to.
pub(super) fn migrations(tables: &Value) -> Vec<(String, String)> {
    let rows = array(tables, "_sqlx_migrations").iter();
    let checksum = |row| (text(row, "version").to_owned(), text(row, "checksum").to_owned());
    rows.map(checksum).collect()
}
