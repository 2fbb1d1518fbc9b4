//! What lies on disk: every column of every table, or the whole file.

use quhao_tests::{
    config::{APP, Backing},
    world::World,
};
use sqlx::{AssertSqlSafe, Row};

use super::canaries::Canaries;

const TABLES: &str = "select format('%I.%I', table_schema, table_name) \
                      from information_schema.tables where table_type = 'BASE TABLE' \
                      and table_schema not in ('pg_catalog', 'information_schema')";

/// Where the run must have left rows of its app: that nothing else is found there would
/// mean nothing without them.
const USED: [&str; 4] = ["public.callbacks", "public.erasures", "public.jobs", "public.sessions"];

/// Fails the test if one of `canaries` is there.
pub(super) async fn assert_absent(world: &World, canaries: &Canaries) {
    match &world.backing {
        Backing::Servers { database, .. } => {
            let mut connection = database.connect().await;
            let tables = sqlx::query(TABLES).fetch_all(&mut connection).await.unwrap();
            let tables: Vec<String> = tables.iter().map(|row| row.get(0)).collect();
            for used in USED {
                assert!(tables.iter().any(|table| table == used), "{used} of {tables:?}");
            }
            for table in tables {
                // Every column, by name; bytes are written in hexadecimal digits.
                let rows = format!("select row_to_json(t)::text from {table} t");
                let rows =
                    sqlx::query(AssertSqlSafe(rows)).fetch_all(&mut connection).await.unwrap();
                let rows: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
                let shown = rows.iter().any(|row| row.contains(APP));
                assert!(shown || !USED.contains(&&*table), "no app in {table}, which has one");
                for row in rows {
                    canaries.assert_absent(&table, row.as_bytes());
                }
            }
        }
        Backing::File => {
            let mut shown = false;
            for entry in std::fs::read_dir(world.config.folder()).unwrap() {
                let path = entry.unwrap().path();
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                if name.contains("quhao.db") {
                    let bytes = std::fs::read(&path).unwrap();
                    shown |= bytes.windows(APP.len()).any(|window| window == APP.as_bytes());
                    canaries.assert_absent(&name, &bytes);
                }
            }
            assert!(shown, "no app in the files, which name it");
        }
    }
}
