//! The verbs of the store, as `rows.json` lists them, and what they find.

use std::time::Duration;

use quhao_backend::store::{
    AppErasure, AttemptEnd, Attempted, CallbackFilter, Claim, Erasure, FinishedJobs, Notification,
    Notifications, Store, StoredSession, Tombstone,
};
use quhao_common::{
    crypto::vault::Sealed,
    domain::{
        answer::{AnswerValidity, StoredAnswer},
        callback_status::CallbackState,
        finished::Finished,
        id::JobKey,
        session_handle::HandleKey,
    },
};
use quhao_tests::wait::{PATIENCE, within};
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::{
    super::file::{
        array, from_hex, hex_16, maybe_text, named, number, sixteen, text, to_base64, to_hex,
    },
    finished::finished,
    job::{app, client, time},
};

fn ms(at: OffsetDateTime) -> i64 {
    i64::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap()
}

fn key(of: &Value) -> JobKey {
    JobKey::from_bytes(hex_16(of, "key"))
}

fn hashes(of: &Value, field: &str) -> Vec<[u8; 16]> {
    let texts = array(of, field).iter().map(|hash| hash.as_str().unwrap());
    texts.map(|text| sixteen(&from_hex(text))).collect()
}

fn outcome(name: &Value) -> Finished {
    finished(&named("rows.json", "outcomes", name.as_str().unwrap()))
}

/// Commits these outcomes of `rows.json`.
pub(crate) async fn finish(store: &Store, names: &[Value]) {
    let batch: Vec<_> = names.iter().map(outcome).collect();
    store.finish(&batch).await.expect("a commit");
}

/// Does to the store what a step of `rows.json` says.
pub(crate) async fn step(store: &Store, step: &Value) {
    match text(step, "verb") {
        "finish" => finish(store, array(step, "outcomes")).await,
        "claim" => {
            let lease = Duration::from_secs(number(step, "lease_s").unsigned_abs());
            let claim = Claim { max: 1000, lease, except: &[] };
            store.claim_callbacks(claim).await.expect("a claim");
        }
        "record" => {
            let attempts: Vec<_> = array(step, "attempts").iter().map(attempted).collect();
            store.record_callbacks(&attempts).await.expect("a record");
        }
        "erase_job" => {
            let tombstone = Tombstone {
                key: key(step),
                client: client(text(step, "client")),
                app: app(text(step, "app")),
                erased_at: time(number(step, "erased_ms")),
                purge_at: time(number(step, "purge_ms")),
            };
            store.erase_job(&tombstone).await.expect("an erasure");
        }
        "erase_person" => {
            let openids = array(step, "openids").iter().map(|id| id.as_str().unwrap().to_owned());
            let erasure = Erasure {
                client: client(text(step, "client")),
                app: app(text(step, "app")),
                openids: openids.collect(),
                phone_hashes: hashes(step, "phone_hashes"),
                subjects: hashes(step, "subjects"),
                erased_at: time(number(step, "erased_ms")),
                purge_at: time(number(step, "purge_ms")),
            };
            store.erase_person(&erasure).await.expect("an erasure");
        }
        "erase_app" => erase_app(store, step).await,
        other => panic!("no verb is called {other}"),
    }
}

async fn erase_app(store: &Store, step: &Value) {
    let mut erasure = AppErasure {
        app: app(text(step, "app")),
        erased_at: time(number(step, "erased_ms")),
        purge_at: time(number(step, "purge_ms")),
        after: None,
    };
    loop {
        erasure.after = store.erase_app(&erasure).await.expect("an erasure").next;
        if erasure.after.is_none() {
            return;
        }
    }
}

fn attempted(of: &Value) -> Attempted {
    let outcome = named("rows.json", "outcomes", text(of, "outcome"));
    let event = super::webhook::event(text(of, "event"));
    Attempted {
        key: key(&outcome),
        event,
        attempt: u32::try_from(number(of, "attempt")).unwrap(),
        status: of["status"].as_u64().map(|status| u16::try_from(status).unwrap()),
        // The product takes these from a list of constants; they come from a file here.
        error: maybe_text(of, "error").map(|text| &*Box::leak(text.into_boxed_str())),
        end: match text(of, "end") {
            "delivered" => AttemptEnd::Delivered,
            "failed" => AttemptEnd::Failed,
            "again" => AttemptEnd::Again { due_at: time(number(of, "due_ms")) },
            other => panic!("no attempt ends {other}"),
        },
        at: time(number(of, "at_ms")),
    }
}

/// Claims every callback that is due, and says which.
pub(crate) async fn claim(store: &Store) -> Vec<Value> {
    let claim = Claim { max: 1000, lease: Duration::from_hours(1), except: &[] };
    let mut claimed = store.claim_callbacks(claim).await.expect("a claim");
    claimed.sort_by_key(|due| (due.key, due.event));
    let described = claimed.into_iter().map(|due| {
        json!({
            "key": to_hex(due.key.as_bytes()),
            "event": due.event.type_name(),
            "client": due.client.as_str(),
            "app": due.app.as_str(),
            "attempt": due.attempt,
            "answer": due.answer.answer.map(|sealed| to_base64(sealed.as_bytes())),
        })
    });
    described.collect()
}

/// Asks the store everything that `asks` lists, and says what it finds.
pub(crate) async fn read(store: &Store, asks: &Value) -> Value {
    let keys: Vec<_> = hashes(asks, "keys").into_iter().map(JobKey::from_bytes).collect();
    let mut answers = store.answers(&keys).await.expect("answers");
    answers.sort_by_key(|answer| answer.key);
    let later: Vec<_> =
        answers.iter().map(|of| (of.key, of.expires_at + Duration::from_secs(1))).collect();
    let known = store.answered(&later).await.expect("known");
    let mut known: Vec<_> = known.iter().map(|key| to_hex(key.as_bytes())).collect();
    known.sort();
    let filter = CallbackFilter { max: 1000, ..CallbackFilter::default() };
    let mut callbacks = store.callbacks(&filter).await.expect("callbacks");
    callbacks.sort_by_key(|callback| (callback.key, callback.event));
    let mut sessions = Vec::new();
    for guest in array(asks, "guests") {
        sessions.push(sessions_of(store, guest).await);
    }
    let mut guests_of_phones = Vec::new();
    for phone in array(asks, "phones") {
        let (client, app) = (client(text(phone, "client")), app(text(phone, "app")));
        let found = store.guests_of_phone(&client, &app, &[hex_16(phone, "hash")]).await;
        let mut found = found.expect("guests");
        found.sort();
        guests_of_phones.push(found);
    }
    json!({
        "answers": answers.iter().map(answer).collect::<Vec<_>>(),
        "known_for_a_later_deadline": known,
        "callbacks": callbacks.iter().map(callback).collect::<Vec<_>>(),
        "sessions": sessions,
        "guests_of_phones": guests_of_phones,
    })
}

fn answer(of: &StoredAnswer) -> Value {
    json!({
        "key": to_hex(of.key.as_bytes()),
        "created_ms": ms(of.created_at),
        "expires_ms": ms(of.expires_at),
        "finished_ms": ms(of.finished_at),
        "purge_ms": ms(of.purge_at),
        "answer": of.answer.as_ref().map(Sealed::as_bytes).map(to_base64),
        "holds": match of.validity {
            AnswerValidity::Always => json!("always"),
            AnswerValidity::Until(until) => json!(ms(until)),
        },
    })
}

fn callback(of: &CallbackState) -> Value {
    json!({
        "key": to_hex(of.key.as_bytes()),
        "event": of.event.type_name(),
        "client": of.client.as_str(),
        "app": of.app.as_str(),
        "status": of.status.as_str(),
        "attempts": of.attempts,
        "due_ms": of.due_at.map(ms),
        "created_ms": ms(of.created_at),
        "last_status": of.last_status,
        "last_error": of.last_error,
        "finished_ms": of.finished_at.map(ms),
    })
}

/// Looks for the session of a guest: by its openid, its handle, the code of each of its logins.
async fn sessions_of(store: &Store, guest: &Value) -> Value {
    let (client, app) = (client(text(guest, "client")), app(text(guest, "app")));
    let openid = text(guest, "openid");
    let handle = HandleKey::from_bytes(hex_16(guest, "handle"));
    let by_openid = store.session_of_guest(&client, &app, openid).await.expect("a look-up");
    let by_handle = store.session_of_handle(&client, &app, handle).await.expect("a look-up");
    let mut by_codes = Vec::new();
    for hash in hashes(guest, "code_hashes") {
        let found = store.session_of_code(&client, &app, &[hash]).await.expect("a look-up");
        by_codes.push(found.as_ref().map(session));
    }
    json!({
        "by_openid": by_openid.as_ref().map(session),
        "by_handle": by_handle.as_ref().map(session),
        "by_codes": by_codes,
    })
}

fn session(of: &StoredSession) -> Value {
    let keys = of.keys.iter().map(|key| {
        json!({
            "key": to_base64(key.key.as_bytes()),
            "code_hash": to_hex(&key.code_hash),
            "exchanged_ms": ms(key.exchanged_at),
        })
    });
    json!({"openid": of.openid, "unionid": of.unionid, "keys": keys.collect::<Vec<_>>()})
}

/// Listens to what commits tell, and returns when nothing can be missed any more.
pub(crate) async fn listen(store: &Store) -> Notifications {
    let mut listener = store.listen();
    let first = next_heard(&mut listener).await;
    assert_eq!(first["after_gap"], true, "a listener begins with a gap");
    listener
}

/// Returns what is heard next.
pub(crate) async fn next_heard(listener: &mut Notifications) -> Value {
    let next = within("a notification", PATIENCE, listener.next()).await;
    let Notification { finished, throughput, after_gap } = next;
    let throughput = throughput.iter().map(|observed| {
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap();
        let of = observed.throughput;
        json!({"jobs": of.jobs, "waited_ms": ms(of.waited), "worked_ms": ms(of.worked)})
    });
    let keys = match finished {
        FinishedJobs::Keys(keys) => Some(keys),
        FinishedJobs::Unknown => None,
    };
    let keys = keys.map(|keys| keys.iter().map(|key| to_hex(key.as_bytes())).collect::<Vec<_>>());
    let throughput: Vec<_> = throughput.collect();
    json!({"keys": keys, "throughput": throughput, "after_gap": after_gap})
}
