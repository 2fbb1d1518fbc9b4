//! Outcomes to be committed, as a worker makes them.

use std::{collections::HashSet, time::Duration};

use quhao_backend::store::Store;
use quhao_common::{
    crypto::vault::{KeyedHash, Sealed},
    domain::{
        app::AppId,
        client::ClientName,
        finished::{FinalState, Finished, NewSession},
        id::JobKey,
        session_handle::HandleKey,
    },
};
use quhao_tests::config::APP;
use time::OffsetDateTime;

/// The time since which the callback of an outcome is due, if it is due at once.
pub(crate) const AT_ONCE: Option<OffsetDateTime> = Some(OffsetDateTime::UNIX_EPOCH);

pub(crate) fn client(name: &str) -> ClientName {
    ClientName::new(name).expect("a name")
}

pub(crate) fn app(id: &str) -> AppId {
    AppId::new(id).expect("an appid")
}

/// Returns the time now, in the precision that every database keeps.
pub(crate) fn now() -> OffsetDateTime {
    let now = OffsetDateTime::now_utc();
    now.replace_millisecond(now.millisecond()).expect("a millisecond")
}

/// Returns which of `keys` have an answer, whatever the deadline.
pub(crate) async fn known(store: &Store, keys: &[JobKey]) -> HashSet<JobKey> {
    let copies: Vec<_> = keys.iter().map(|key| (*key, OffsetDateTime::UNIX_EPOCH)).collect();
    store.answered(&copies).await.expect("known")
}

/// Returns the outcome of a new job.
pub(crate) fn finished(final_state: FinalState) -> Finished {
    let now = now();
    Finished {
        key: JobKey::from_bytes(rand::random()),
        client: client("orders"),
        app: app(APP),
        final_state,
        created_at: now - Duration::from_secs(2),
        expires_at: now + Duration::from_mins(4),
        taken_at: Some(now - Duration::from_secs(1)),
        finished_at: now,
        purge_at: now + Duration::from_hours(24),
        answer: Sealed::from_bytes(rand::random::<[u8; 32]>().to_vec()),
        openid: None,
        guest_hash: None,
        phone_hash: None,
        callback: None,
        session: None,
    }
}

/// Returns a stand-in for the keyed hash of a guest's openid.
pub(crate) fn guest_hash(openid: &str) -> KeyedHash {
    *HandleKey::of(&client("hash"), &app("guest"), openid).as_bytes()
}

/// Returns the session of this guest of `owner`, as long as a real one.
pub(crate) fn session(owner: (&ClientName, &AppId), openid: &str) -> NewSession {
    NewSession {
        openid: openid.to_owned(),
        handle: HandleKey::of(owner.0, owner.1, openid),
        unionid: None,
        key: Sealed::from_bytes(rand::random::<[u8; 32]>().to_vec()),
        key_hash: rand::random(),
        code_hash: rand::random(),
        exchanged_at: now(),
        purge_at: now() + Duration::from_hours(72),
    }
}

/// Returns the outcome of a login with which a guest gave a number.
pub(crate) fn login(openid: &str, phone_hash: Option<KeyedHash>) -> Finished {
    let finished = of_session(openid, phone_hash);
    let session = session((&finished.client, &finished.app), openid);
    Finished { session: Some(session), ..finished }
}

/// Returns the same with a session that was stored earlier.
pub(crate) fn of_session(openid: &str, phone_hash: Option<KeyedHash>) -> Finished {
    Finished {
        openid: Some(openid.to_owned()),
        guest_hash: Some(guest_hash(openid)),
        phone_hash,
        ..finished(FinalState::Succeeded)
    }
}

/// Returns the outcome of another job, with a callback.
pub(crate) fn with_callback(final_state: FinalState) -> Finished {
    Finished { callback: AT_ONCE, ..finished(final_state) }
}
