//! A store of the version before keeps its rows.

use quhao_backend::{
    backend::open_store,
    queue::Roles,
    store::{SCHEMA_VERSION, Schema},
};
use quhao_common::{
    config::StoreUrl,
    crypto::vault::Sealed,
    domain::{id::JobKey, session_handle::HandleKey},
};
use quhao_tests::{
    config::{APP, Backing, Mode},
    in_both_modes,
};
use sqlx::{
    Connection, PgConnection, SqlSafeStr, SqliteConnection,
    migrate::{Migration, MigrationType, Migrator},
    sqlite::SqliteConnectOptions,
};

use super::outcome::{app, client, login};
use crate::contract::fixture::{Fixture, close};

in_both_modes!(migrating_version_1_keeps_all_rows);

const POSTGRES_1: &str =
    include_str!("../../../../migrations/postgres/0001_answers_and_sessions.sql");
const SQLITE_1: &str =
    include_str!("../../../../migrations/sqlite/0001_answers_sessions_queue.sql");

/// As version 1 wrote them: an answer and a session with two keys.
const POSTGRES_ROWS: &str = "\
    insert into jobs values (decode(repeat('01', 16), 'hex'), 'orders', 'wx4f4bc4dec97d474b', 2, \
        null, now(), now(), now(), now() + interval '1 day', 'sealed', 'guest', null);\
    insert into sessions values ('orders', 'wx4f4bc4dec97d474b', 'guest', 'union', 'key', \
        decode(repeat('02', 16), 'hex'), decode(repeat('03', 16), 'hex'), now(), 'before', \
        decode(repeat('04', 16), 'hex'), decode(repeat('05', 16), 'hex'), now(), \
        now() + interval '1 day')";
const SQLITE_ROWS: &str = "\
    INSERT INTO jobs VALUES (unhex('01010101010101010101010101010101'), 'orders', \
        'wx4f4bc4dec97d474b', 2, NULL, 1, 2, 3, 9000000000000, x'7365616c6564', 'guest', NULL);\
    INSERT INTO sessions VALUES ('orders', 'wx4f4bc4dec97d474b', 'guest', 'union', x'6b6579', \
        unhex('02020202020202020202020202020202'), unhex('03030303030303030303030303030303'), 1, \
        x'6265666f7265', unhex('04040404040404040404040404040404'), \
        unhex('05050505050505050505050505050505'), 1, 9000000000000)";

/// Returns the migrations of a store of version 1.
fn version_1(name: &'static str, sql: &'static str) -> Migrator {
    let kind = MigrationType::Simple;
    Migrator::with_migrations(vec![Migration::new(1, name.into(), kind, sql.into_sql_str(), false)])
}

async fn postgres(mut database: PgConnection) {
    for statement in ["drop schema public cascade", "create schema public"] {
        sqlx::query(statement).execute(&mut database).await.unwrap();
    }
    let migrator = version_1("answers and sessions", POSTGRES_1);
    migrator.run_direct(None, &mut database, false).await.unwrap();
    sqlx::raw_sql(POSTGRES_ROWS).execute(&mut database).await.unwrap();
    database.close().await.unwrap();
}

async fn sqlite(options: &SqliteConnectOptions) {
    let mut file = SqliteConnection::connect_with(options).await.unwrap();
    let migrator = version_1("answers, sessions, queue", SQLITE_1);
    migrator.run_direct(None, &mut file, false).await.unwrap();
    sqlx::raw_sql(SQLITE_ROWS).execute(&mut file).await.unwrap();
    file.close().await.unwrap();
}

async fn migrating_version_1_keeps_all_rows(mode: Mode) {
    let fixture = Fixture::without_schema(mode).await;
    match (&fixture.backing, &fixture.store.url) {
        (Backing::Servers { database, .. }, _) => postgres(database.connect().await).await,
        (Backing::File, StoreUrl::Sqlite(path)) => {
            sqlite(&SqliteConnectOptions::new().filename(path).create_if_missing(true)).await;
        }
        (Backing::File, StoreUrl::Postgres(_)) => panic!("a file has a path"),
    }
    let store = open_store(&fixture.store).await.expect("the store opens");
    let before = store.schema().await.expect("the schema");
    assert_eq!(before, Schema { version: 1, min_compatible: 1 });
    assert_eq!(store.migrate().await.expect("a migration"), [2]);
    assert_eq!(store.migrate().await.expect("nothing to do"), Vec::<i64>::new());
    let after = store.schema().await.expect("the schema");
    assert_eq!(after, Schema { version: SCHEMA_VERSION, min_compatible: 1 });
    store.close().await;

    let backend = fixture.open(Roles { publish: false, prefetch_max: None }).await;
    let (store, orders, own) = (&backend.store, client("orders"), app(APP));
    let key = JobKey::from_bytes([1; 16]);
    let answers = store.answers(&[key]).await.expect("answers");
    assert_eq!(answers[0].answer.as_ref().map(Sealed::as_bytes), Some(&b"sealed"[..]));
    let session = store.session_of_guest(&orders, &own, "guest").await.expect("a look-up");
    let session = session.expect("the session");
    assert_eq!(session.unionid.as_deref(), Some("union"));
    let codes: Vec<_> = session.keys.iter().map(|key| key.code_hash).collect();
    assert_eq!(codes, [[3; 16], [5; 16]]);

    // The next login gives it a handle, and loses nothing.
    let handle = HandleKey::of(&orders, &own, "guest");
    let found = store.session_of_handle(&orders, &own, handle).await.expect("a look-up");
    assert!(found.is_none());
    let next = login("guest", Some([7; 16]));
    let code = next.session.as_ref().expect("a session").code_hash;
    store.finish(&[next]).await.expect("a commit");
    let found = store.session_of_handle(&orders, &own, handle).await.expect("a look-up");
    let found = found.expect("the session");
    let codes: Vec<_> = found.keys.iter().map(|key| key.code_hash).collect();
    assert_eq!(codes, [code, [3; 16]]);
    let guests = store.guests_of_phone(&orders, &own, &[[7; 16]]).await.expect("guests");
    assert_eq!(guests, ["guest"]);
    close(&backend).await;
}
