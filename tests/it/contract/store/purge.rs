//! Retention: what is past its time is deleted, and nothing else.

use std::time::Duration;

use quhao_backend::store::{CallbackFilter, Erasure, Purged};
use quhao_common::domain::{
    callback_status::CallbackStatus,
    finished::{Finished, NewSession},
};
use quhao_tests::{
    config::{APP, Mode},
    in_both_modes,
};
use time::OffsetDateTime;

use super::outcome::{AT_ONCE, app, client, guest_hash, known, login, now};
use crate::contract::fixture::{Open, close};

in_both_modes!(only_what_is_past_its_retention_is_deleted);

/// Returns an answer with its session and its callback, all to be kept until `purge_at`.
fn kept_until(purge_at: OffsetDateTime, openid: &str) -> Finished {
    let finished = login(openid, None);
    let session = finished.session.map(|session| NewSession { purge_at, ..session });
    Finished { purge_at, session, callback: AT_ONCE, ..finished }
}

/// Returns the record of an erasure of somebody else.
fn erased_until(purge_at: OffsetDateTime, openid: &str) -> Erasure {
    Erasure {
        client: client("orders"),
        app: app(APP),
        openids: Vec::new(),
        phone_hashes: Vec::new(),
        subjects: vec![guest_hash(openid)],
        erased_at: now(),
        purge_at,
    }
}

async fn only_what_is_past_its_retention_is_deleted(mode: Mode) {
    let open = Open::new(mode).await;
    let (past, future) = (now() - Duration::from_secs(1), now() + Duration::from_mins(5));
    let mut batch: Vec<_> = (0..5).map(|at| kept_until(past, &format!("past-{at}"))).collect();
    batch.push(kept_until(future, "present"));
    let present = batch[5].clone();
    open.store().finish(&batch).await.expect("a commit");
    for at in 0..5 {
        let erasure = erased_until(past, &format!("forgotten-{at}"));
        open.store().erase_person(&erasure).await.expect("an erasure");
    }
    open.store().erase_person(&erased_until(future, "remembered")).await.expect("an erasure");

    let mut deleted = Vec::new();
    for _ in 0..4 {
        deleted.push(open.store().purge(2).await.expect("a purge"));
    }
    let of = |rows| Purged { answers: rows, sessions: rows, callbacks: rows, erasures: rows };
    assert_eq!(deleted, [of(2), of(2), of(1), of(0)], "in steps, and no more than there is");

    assert!(known(open.store(), &[present.key]).await.contains(&present.key));
    let session = open.store().session_of_guest(&present.client, &app(APP), "present").await;
    assert!(session.expect("a look-up").is_some());
    let due = CallbackFilter { key: Some(present.key), max: 10, ..CallbackFilter::default() };
    let due = open.store().callbacks(&due).await.expect("callbacks");
    assert_eq!(due.iter().map(|of| of.status).collect::<Vec<_>>(), [CallbackStatus::Due]);
    // Of the records, the one that is left still counts.
    let kept_out = login("remembered", None);
    open.store().finish(&[kept_out]).await.expect("a commit");
    let session = open.store().session_of_guest(&present.client, &app(APP), "remembered").await;
    assert!(session.expect("a look-up").is_none());
    close(&open.backend).await;
}
