//! Retention: what is past its time is deleted, and nothing else.

use std::time::Duration;

use quhao_common::{
    store::{Ending, Finished, NewSession, Purged},
    vault::Sealed,
};
use quhao_tests::{
    config::{APP, Mode},
    in_both_modes,
};
use time::OffsetDateTime;

use super::{
    ground::close,
    store::{Open, app, finished, now},
};

in_both_modes!(only_what_is_past_its_retention_is_deleted);

/// An answer with its session, both to be kept until `purge_at`.
fn kept_until(purge_at: OffsetDateTime, openid: &str) -> Finished {
    let session = NewSession {
        openid: openid.to_owned(),
        unionid: None,
        key: Sealed::from_bytes(vec![1]),
        key_hash: [1; 16],
        code_hash: [2; 16],
        exchanged_at: now(),
        purge_at,
    };
    Finished { purge_at, session: Some(session), ..finished(Ending::Succeeded) }
}

async fn only_what_is_past_its_retention_is_deleted(mode: Mode) {
    let open = Open::new(mode).await;
    let (past, future) = (now() - Duration::from_secs(1), now() + Duration::from_mins(5));
    let mut batch: Vec<_> = (0..5).map(|at| kept_until(past, &format!("past-{at}"))).collect();
    batch.push(kept_until(future, "present"));
    let present = batch[5].clone();
    open.store().finish(&batch).await.expect("a commit");

    let mut deleted = Vec::new();
    for _ in 0..4 {
        deleted.push(open.store().purge(2).await.expect("a purge"));
    }
    let of = |rows| Purged { answers: rows, sessions: rows };
    assert_eq!(deleted, [of(2), of(2), of(1), of(0)], "in steps, and no more than there is");

    let known = open.store().known(&[present.key]).await.expect("known");
    assert!(known.contains(&present.key));
    let session = open.store().session_of_guest(&present.client, &app(APP), "present").await;
    assert!(session.expect("a look-up").is_some());
    close(&open.backend).await;
}
