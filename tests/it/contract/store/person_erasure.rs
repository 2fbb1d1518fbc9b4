//! Erasure of a person: what is there goes, what is under way is kept out.

use std::time::Duration;

use quhao_backend::store::{Erased, Erasure};
use quhao_common::{
    crypto::{
        keyring::{Keyring, Secret32},
        vault::{HashOf, KeyedHash, Vault},
    },
    domain::{
        callback_status::CallbackStatus,
        callback_target::CallbackEvent,
        failure::FailureCode,
        finished::{FinalState, Finished},
    },
};
use quhao_tests::{
    config::{APP, APP_ELSEWHERE, Mode},
    in_both_modes,
};

use super::{
    callbacks::statuses,
    job_erasure::{is_erased, sealed, session, tombstone},
    outcome::{AT_ONCE, app, client, finished, guest_hash, login, now, of_session},
};
use crate::contract::fixture::{Open, close};

in_both_modes!(
    a_person_is_erased_by_openid,
    a_person_is_erased_by_number_under_every_key,
    word_of_what_was_erased_is_not_sent,
    earlier_jobs_of_an_erased_person_are_not_stored,
    worse_outcome_of_an_erased_person_has_no_session,
    second_erasure_only_ever_reaches_further,
);

const HOUR: Duration = Duration::from_hours(1);

/// The number that is erased.
const NUMBER: &[u8] = b"+8613800138000";

/// Returns the erasure of a guest whose openid is known.
pub(super) fn of_guest(openid: &str) -> Erasure {
    Erasure {
        client: client("orders"),
        app: app(APP),
        openids: vec![openid.to_owned()],
        phone_hashes: Vec::new(),
        subjects: vec![guest_hash(openid)],
        erased_at: now(),
        purge_at: now() + HOUR,
    }
}

async fn a_person_is_erased_by_openid(mode: Mode) {
    let open = Open::new(mode).await;
    let store = open.store();
    let theirs: Vec<_> = (0..3).map(|_| login("guest", Some([1; 16]))).collect();
    let others = [
        login("another", Some([1; 16])),
        Finished { client: client("elsewhere"), ..login("guest", None) },
        Finished { app: app(APP_ELSEWHERE), ..login("guest", None) },
        finished(FinalState::Succeeded),
    ];
    store.finish(&theirs).await.expect("a commit");
    store.finish(&others).await.expect("a commit");
    store.erase_job(&tombstone(&theirs[2])).await.expect("an erasure");

    let erased = store.erase_person(&of_guest("guest")).await.expect("an erasure");
    assert_eq!(erased, Erased { answers: 2, sessions: 1 }, "one was erased before");
    for job in &theirs {
        assert!(is_erased(store, job.key).await);
    }
    assert!(session(store, "guest").await.is_none());
    for job in &others {
        assert!(sealed(store, job).await.as_ref() == Some(&job.answer));
        let Some(openid) = &job.openid else { continue };
        let found = store.session_of_guest(&job.client, &job.app, openid).await;
        assert!(found.expect("a look-up").is_some(), "{} {} {openid}", job.client, job.app);
    }
    let again = store.erase_person(&of_guest("guest")).await.expect("an erasure");
    assert_eq!(again, Erased::default());
    let nobody = Erasure { openids: vec![], subjects: vec![], ..of_guest("nobody") };
    assert_eq!(store.erase_person(&nobody).await.expect("an erasure"), Erased::default());
    close(&open.backend).await;
}

/// Returns a vault with these secrets, the newest first.
fn vault(numbers: &[u8]) -> Vault {
    let secrets = numbers.iter().map(|number| (*number, Secret32::new([*number; 32])));
    Vault::new(&Keyring::new(secrets.collect()).expect("distinct numbers"))
}

async fn a_person_is_erased_by_number_under_every_key(mode: Mode) {
    let open = Open::new(mode).await;
    let store = open.store();
    let (before, after) = (vault(&[1]), vault(&[2, 1]));
    let hash_by = |vault: &Vault| vault.hash(HashOf::Phone, APP, NUMBER);
    assert_ne!(hash_by(&before), hash_by(&after));
    // The number's answers from before and after the rotation, with a session and without,
    // and a failure of the same guest, which says nothing of the number.
    let theirs = [
        login("first", Some(hash_by(&before))),
        login("second", Some(hash_by(&after))),
        of_session("first", Some(hash_by(&after))),
        Finished { phone_hash: Some(hash_by(&before)), ..finished(FinalState::Succeeded) },
    ];
    let failed = Finished {
        final_state: FinalState::Failed(FailureCode::DecryptFailed),
        ..of_session("second", None)
    };
    let other = login("other", Some(after.hash(HashOf::Phone, APP, b"+8613800138001")));
    // Another guest who used to have the number.
    let earlier = [login("earlier", Some(hash_by(&before))), login("earlier", Some([9; 16]))];
    store.finish(&theirs).await.expect("a commit");
    for job in &earlier {
        store.finish(std::slice::from_ref(job)).await.expect("a commit");
    }
    store.finish(&[failed.clone(), other.clone()]).await.expect("a commit");
    // And one whose session is all that is left.
    let long_ago = Finished { purge_at: now() - HOUR, ..login("quiet", Some(hash_by(&before))) };
    store.finish(&[long_ago]).await.expect("a commit");
    assert_eq!(store.purge(10).await.expect("a purge").answers, 1);

    let hashes = after.hashes(HashOf::Phone, APP, NUMBER);
    let (orders, own) = (client("orders"), app(APP));
    let mut guests = store.guests_of_phone(&orders, &own, &hashes).await.expect("guests");
    guests.sort_unstable();
    assert_eq!(guests, ["earlier", "first", "quiet", "second"]);
    // By the number alone: the guests are found on its answers.
    let erasure = Erasure {
        openids: vec![],
        phone_hashes: hashes.clone(),
        subjects: hashes.clone(),
        ..of_guest("nobody")
    };
    let erased = store.erase_person(&erasure).await.expect("an erasure");
    assert_eq!(erased, Erased { answers: 5, sessions: 4 });
    for job in theirs.iter().chain(&earlier[..1]) {
        assert!(is_erased(store, job.key).await);
    }
    for guest in ["first", "second", "earlier", "quiet"] {
        assert!(session(store, guest).await.is_none(), "{guest}");
    }
    assert!(sealed(store, &failed).await.is_some() && sealed(store, &other).await.is_some());
    assert!(session(store, "other").await.is_some());
    let left = store.guests_of_phone(&orders, &own, &hashes).await.expect("guests");
    assert!(left.is_empty(), "{left:?}");

    // What earlier jobs still bring is kept out under either key.
    for hash in hashes {
        let late = login("late", Some(hash));
        store.finish(std::slice::from_ref(&late)).await.expect("a commit");
        assert!(is_erased(store, late.key).await);
        assert!(session(store, "late").await.is_none());
    }
    close(&open.backend).await;
}

async fn word_of_what_was_erased_is_not_sent(mode: Mode) {
    let open = Open::new(mode).await;
    let store = open.store();
    let theirs = Finished { callback: AT_ONCE, ..login("guest", None) };
    let other = Finished { callback: AT_ONCE, ..login("another", None) };
    store.finish(&[theirs.clone(), other.clone()]).await.expect("a commit");
    store.erase_person(&of_guest("guest")).await.expect("an erasure");
    let event = CallbackEvent::Succeeded;
    assert_eq!(statuses(store, theirs.key).await, [(event, CallbackStatus::Cancelled)]);
    assert_eq!(statuses(store, other.key).await, [(event, CallbackStatus::Due)]);
    let late = Finished { callback: AT_ONCE, ..login("guest", None) };
    store.finish(std::slice::from_ref(&late)).await.expect("a commit");
    assert_eq!(statuses(store, late.key).await, []);
    close(&open.backend).await;
}

async fn earlier_jobs_of_an_erased_person_are_not_stored(mode: Mode) {
    let open = Open::new(mode).await;
    let store = open.store();
    let known = Finished {
        final_state: FinalState::Failed(FailureCode::DecryptFailed),
        ..login("guest", None)
    };
    store.finish(std::slice::from_ref(&known)).await.expect("a commit");
    let erasure = of_guest("guest");
    store.erase_person(&erasure).await.expect("an erasure");

    let at = |created_at| Finished { created_at, ..login("guest", Some([1; 16])) };
    let tick = time::Duration::MILLISECOND;
    let (earlier, same) = (at(erasure.erased_at - tick), at(erasure.erased_at));
    let other_app = Finished { app: app(APP_ELSEWHERE), ..at(erasure.erased_at - tick) };
    let stranger = login("stranger", None);
    let batch = [earlier.clone(), same.clone(), other_app.clone(), stranger.clone()];
    store.finish(&batch).await.expect("a commit");
    for job in [&known, &earlier, &same] {
        assert!(is_erased(store, job.key).await);
    }
    assert!(session(store, "guest").await.is_none());
    let guests = store.guests_of_phone(&client("orders"), &app(APP), &[[1; 16]]).await;
    assert!(guests.expect("guests").is_empty());
    assert!(sealed(store, &other_app).await.is_some());
    assert!(sealed(store, &stranger).await.is_some() && session(store, "stranger").await.is_some());

    // Who comes back is a guest like any other.
    let later = at(erasure.erased_at + tick);
    store.finish(std::slice::from_ref(&later)).await.expect("a commit");
    assert!(sealed(store, &later).await.as_ref() == Some(&later.answer));
    assert!(session(store, "guest").await.is_some());
    close(&open.backend).await;
}

async fn worse_outcome_of_an_erased_person_has_no_session(mode: Mode) {
    let open = Open::new(mode).await;
    let store = open.store();
    store.erase_person(&of_guest("guest")).await.expect("an erasure");
    // Two attempts at one job in a batch: the better one is of nobody, the worse one has
    // a session and a number.
    let better = finished(FinalState::Succeeded);
    let failed = FinalState::Failed(FailureCode::DecryptFailed);
    let worse = Finished { key: better.key, final_state: failed, ..login("guest", Some([1; 16])) };
    store.finish(&[better.clone(), worse]).await.expect("a commit");
    assert!(sealed(store, &better).await.as_ref() == Some(&better.answer));
    assert!(session(store, "guest").await.is_none());
    close(&open.backend).await;
}

async fn second_erasure_only_ever_reaches_further(mode: Mode) {
    let open = Open::new(mode).await;
    let store = open.store();
    let (first, hash): (_, KeyedHash) = (of_guest("guest"), guest_hash("guest"));
    let earlier = Erasure {
        erased_at: first.erased_at - HOUR,
        purge_at: now() - HOUR,
        subjects: vec![hash, hash],
        ..first.clone()
    };
    store.erase_person(&first).await.expect("an erasure");
    store.erase_person(&earlier).await.expect("an erasure");
    store.purge(100).await.expect("a purge");
    let late = login("guest", None);
    store.finish(std::slice::from_ref(&late)).await.expect("a commit");
    assert!(is_erased(store, late.key).await);
    close(&open.backend).await;
}
