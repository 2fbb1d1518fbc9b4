//! How SQLite runs the statements.

use sqlx::AssertSqlSafe;

use tempfile::TempDir;

use super::opened;
use crate::store::sqlite::*;

async fn plan(store: &SqliteStore, statement: &str) -> Vec<String> {
    let plan = format!("EXPLAIN QUERY PLAN {statement}");
    let plan: Vec<(i64, i64, i64, String)> = store
        .database
        .read(store.limit, move |connection| {
            Box::pin(async move { sqlx::query_as(AssertSqlSafe(plan)).fetch_all(connection).await })
        })
        .await
        .unwrap();
    plan.into_iter().map(|(.., step)| step).collect()
}

/// A statement that reads a whole table is fast in a test and slow in a restaurant.
#[tokio::test]
async fn every_look_up_uses_an_index() {
    let folder = TempDir::new().unwrap();
    let store = opened(&folder.path().join("quhao.db")).await;
    for statement in [
        answers::VALIDITY,
        answers::ANSWERS,
        sessions::OF_GUEST,
        sessions::OF_CODE,
        sessions::OF_HANDLE,
        outcomes::IS_ERASED,
        phones::GUESTS,
        erasure::ANSWERS,
        erasure::ERASE_SESSIONS,
        app_erasure::NEXT_SESSIONS,
        app_erasure::NEXT_ANSWERS,
        callbacks::CANCEL_OUTDATED,
        callbacks::LIST,
        callbacks::LIST_OF_JOB,
        callbacks::LIST_FAILED,
        callbacks::RETRY,
        callbacks::RETRY_OF_JOB,
        claims::NEXT_CLIENT,
        claims::DUE,
        claims::CLAIMED,
    ] {
        for step in plan(&store, statement).await {
            let one = step == "SCAN CONSTANT ROW";
            let indexed = one || step.contains(" USING ") || step.contains(" VIRTUAL TABLE ");
            assert!(indexed || !step.starts_with("SCAN "), "{step} in {statement}");
        }
    }
    store.close().await;
}

#[tokio::test]
async fn frequent_statements_use_the_index_made_for_them() {
    let folder = TempDir::new().unwrap();
    let store = opened(&folder.path().join("quhao.db")).await;
    for (statement, index) in [
        (callbacks::LIST, "callbacks_created_at"),
        (callbacks::LIST_OF_JOB, "(key=?)"),
        (callbacks::LIST_FAILED, "callbacks_failed"),
        (callbacks::RETRY, "callbacks_failed"),
        (callbacks::RETRY_OF_JOB, "(key=?)"),
        (claims::NEXT_CLIENT, "callbacks_due"),
        (claims::DUE, "callbacks_due (client=? AND due_at<?)"),
        (sessions::OF_HANDLE, "sessions_handle"),
    ] {
        let plan = plan(&store, statement).await.join("; ");
        assert!(plan.contains(index), "{plan} for {statement}");
    }
    store.close().await;
}
