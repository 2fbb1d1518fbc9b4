use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use sqlx::{Connection, SqliteConnection};
use tempfile::TempDir;

use super::{Database, DatabaseError, is_same_file, write_options};

const LIMIT: Duration = Duration::from_secs(10);

async fn opened(folder: &TempDir) -> Arc<Database> {
    let database = Database::open(&folder.path().join("quhao.db")).await.unwrap();
    database.retain();
    execute(&database, "CREATE TABLE numbers (n INTEGER PRIMARY KEY, twice INTEGER)")
        .await
        .unwrap();
    database
}

fn commits(database: &Database) -> u64 {
    database.commits.load(Ordering::Relaxed)
}

async fn execute(database: &Database, statement: &'static str) -> Result<(), DatabaseError> {
    database
        .write(LIMIT, move |connection| {
            Box::pin(async move { sqlx::query(statement).execute(connection).await.map(drop) })
        })
        .await
}

async fn insert(database: &Database, number: i64) -> Result<(), DatabaseError> {
    database.write(LIMIT, move |connection| Box::pin(insert_both(connection, number))).await
}

async fn insert_both(connection: &mut SqliteConnection, number: i64) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO numbers (n) VALUES (?1)")
        .bind(number)
        .execute(&mut *connection)
        .await?;
    // A statement of its own, so that a command can fail half-way.
    let statement = match number % 5 {
        4 => "INSERT INTO nowhere (n) VALUES (?1)",
        _ => "UPDATE numbers SET twice = 2 * n WHERE n = ?1",
    };
    sqlx::query(statement).bind(number).execute(connection).await.map(drop)
}

async fn sum(database: &Database, statement: &'static str) -> i64 {
    database
        .read(LIMIT, move |connection| {
            Box::pin(async move { sqlx::query_scalar(statement).fetch_one(connection).await })
        })
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_commands_share_a_commit_and_fail_alone() {
    let folder = TempDir::new().unwrap();
    let database = opened(&folder).await;
    let before = commits(&database);
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..1000 {
        let database = Arc::clone(&database);
        tasks.spawn(async move { (number, insert(&database, number).await) });
    }
    while let Some(ended) = tasks.join_next().await {
        let (number, ended) = ended.unwrap();
        match (number % 5, ended) {
            (4, Err(error)) => assert!(error.is_permanent(), "{error}"),
            (4, Ok(())) => panic!("{number} must fail"),
            (_, ended) => ended.unwrap(),
        }
    }
    let commits = commits(&database) - before;
    assert!(commits <= 100, "{commits} commits for 1000 commands");
    // Nothing is left of those that failed half-way.
    assert_eq!(sum(&database, "SELECT count(*) FROM numbers").await, 800);
    assert_eq!(sum(&database, "SELECT count(*) FROM numbers WHERE twice = 2 * n").await, 800);
    database.release(LIMIT).await;
}

#[tokio::test]
async fn next_transaction_works_after_sqlite_ended_one() {
    let folder = TempDir::new().unwrap();
    let database = opened(&folder).await;
    // What a full disk does.
    let (failed, neighbour) = tokio::join!(execute(&database, "ROLLBACK"), insert(&database, 1));
    assert!(matches!(failed, Err(DatabaseError::Transaction(_))), "{failed:?}");
    assert!(matches!(neighbour, Err(DatabaseError::Transaction(_))), "{neighbour:?}");
    assert_eq!(sum(&database, "SELECT count(*) FROM numbers").await, 0);
    insert(&database, 2).await.unwrap();
    assert_eq!(sum(&database, "SELECT n FROM numbers").await, 2);
    database.release(LIMIT).await;
}

#[tokio::test]
async fn foreign_lock_delays_no_caller_beyond_its_limit() {
    let folder = TempDir::new().unwrap();
    let database = opened(&folder).await;
    let mut tool = SqliteConnection::connect_with(&write_options(database.path())).await.unwrap();
    let lock = tool.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let blocked = database
        .write(Duration::from_millis(100), |connection| Box::pin(insert_both(connection, 1)))
        .await;
    assert!(matches!(blocked, Err(DatabaseError::Timeout)), "{blocked:?}");
    lock.rollback().await.unwrap();
    insert(&database, 2).await.unwrap();
    tool.close().await.unwrap();
    database.release(LIMIT).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_reader_is_dropped_from_the_pool() {
    let folder = TempDir::new().unwrap();
    let database = opened(&folder).await;
    for _ in 0..2 * crate::sqlite_file::READERS_MAX {
        let slow = database
            .read(Duration::from_millis(20), |connection| {
                Box::pin(async move {
                    let count = "WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c \
                                 LIMIT 3000000) SELECT max(n) FROM c";
                    sqlx::query_scalar::<_, i64>(count).fetch_one(connection).await
                })
            })
            .await;
        assert!(matches!(slow, Err(DatabaseError::Timeout)), "{slow:?}");
    }
    assert_eq!(sum(&database, "SELECT count(*) FROM numbers").await, 0);
    database.release(LIMIT).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_commits_what_waits_and_frees_the_file() {
    let folder = TempDir::new().unwrap();
    let database = opened(&folder).await;
    database.retain();
    let inserts = (0..400).filter(|number| number % 5 != 4);
    let waiting: Vec<_> = inserts
        .map(|number| {
            let database = Arc::clone(&database);
            tokio::spawn(async move { insert(&database, number).await })
        })
        .collect();
    // Until a first one has ended, so that all have been sent.
    while commits(&database) < 2 {
        tokio::task::yield_now().await;
    }
    database.release(LIMIT).await;
    assert!(insert(&database, 1000).await.is_ok(), "one user is still there");
    database.release(LIMIT).await;
    let mut stored = 1;
    for ended in waiting {
        match ended.await.unwrap() {
            Ok(()) => stored += 1,
            Err(error) => assert!(matches!(error, DatabaseError::Closed), "{error}"),
        }
    }
    assert!(matches!(insert(&database, 1001).await, Err(DatabaseError::Closed)));

    let again = Database::open(&folder.path().join("quhao.db")).await.unwrap();
    again.retain();
    assert_eq!(sum(&again, "SELECT count(*) FROM numbers").await, stored);
    again.release(LIMIT).await;
    assert!(!folder.path().join("quhao.db-wal").exists(), "merged into the file by the last close");
}

#[tokio::test]
async fn file_has_one_process_and_one_owner() {
    let folder = TempDir::new().unwrap();
    let database = opened(&folder).await;
    let path = folder.path().join("quhao.db");
    let second = Database::open(&path).await;
    assert!(matches!(&second, Err(DatabaseError::InUse(_))), "{second:?}");

    #[cfg(unix)]
    {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let link = folder.path().join("link.db");
        symlink(&path, &link).unwrap();
        assert!(is_same_file(&path, &link).unwrap());
        assert!(matches!(Database::open(&link).await, Err(DatabaseError::InUse(_))));
        for name in ["quhao.db", "quhao.db-wal", "quhao.db.lock"] {
            let mode = folder.path().join(name).metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
    }

    assert!(!is_same_file(&path, &folder.path().join("other.db")).unwrap());
    let nowhere = Database::open(&folder.path().join("nowhere/quhao.db")).await;
    assert!(matches!(&nowhere, Err(DatabaseError::File { .. })), "{nowhere:?}");
    database.release(LIMIT).await;
}

#[tokio::test]
async fn second_migration_does_nothing() {
    let folder = TempDir::new().unwrap();
    let database = opened(&folder).await;
    let schema = async || database.schema(LIMIT).await.unwrap();
    assert_eq!((schema().await.version, schema().await.min_compatible), (0, 0));
    assert_eq!(database.migrate().await.unwrap(), [1, 2]);
    assert_eq!(database.migrate().await.unwrap(), Vec::<i64>::new());
    assert_eq!((schema().await.version, schema().await.min_compatible), (2, 1));

    execute(&database, "UPDATE _sqlx_migrations SET checksum = x'00'").await.unwrap();
    assert!(database.migrate().await.unwrap_err().is_permanent(), "another past");
    database.release(LIMIT).await;
}
