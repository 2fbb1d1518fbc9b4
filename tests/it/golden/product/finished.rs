//! Outcomes as workers commit them and hand them over, and session keys at rest.

use quhao_common::{
    crypto::vault::Sealed,
    domain::{
        failure::FailureCode,
        finished::{FinalState, Finished, NewSession},
        id::JobKey,
        session_handle::HandleKey,
    },
    envelope::outcome,
};
use serde_json::Value;

use super::{
    super::file::{base64, hex_16, maybe_hex_16, maybe_text, named, number, text, to_base64},
    job::{app, client, id, sealed_answer, time},
    secret::vault,
};

/// Returns the outcome that `of` describes. Its answer is one of `answers.json`, its session
/// key one of `session_keys.json`.
pub(crate) fn finished(of: &Value) -> Finished {
    let at = |field| time(number(of, field));
    let maybe_at = |field: &str| of[field].as_i64().map(time);
    Finished {
        key: JobKey::from_bytes(hex_16(of, "key")),
        client: client(text(of, "client")),
        app: app(text(of, "app")),
        final_state: match text(of, "ending") {
            "succeeded" => FinalState::Succeeded,
            code => FinalState::Failed(FailureCode::from_name(code).unwrap()),
        },
        created_at: at("created_ms"),
        expires_at: at("expires_ms"),
        taken_at: maybe_at("taken_ms"),
        finished_at: at("finished_ms"),
        purge_at: at("purge_ms"),
        answer: Sealed::from_bytes(sealed_answer(text(of, "answer"))),
        openid: maybe_text(of, "openid"),
        guest_hash: maybe_hex_16(of, "guest_hash"),
        phone_hash: maybe_hex_16(of, "phone_hash"),
        callback: maybe_at("callback_ms"),
        session: of.get("session").filter(|session| !session.is_null()).map(new_session),
    }
}

fn new_session(of: &Value) -> NewSession {
    let key = named("session_keys.json", "keys", text(of, "key"));
    NewSession {
        openid: text(&key, "openid").to_owned(),
        handle: HandleKey::from_bytes(hex_16(of, "handle")),
        unionid: maybe_text(of, "unionid"),
        key: Sealed::from_bytes(base64(&key, "sealed")),
        key_hash: hex_16(&key, "fingerprint"),
        code_hash: hex_16(of, "code_hash"),
        exchanged_at: time(number(of, "exchanged_ms")),
        purge_at: time(number(of, "purge_ms")),
    }
}

/// Returns everything that an outcome holds, as a text to compare.
pub(crate) fn whole(finished: &Finished) -> String {
    let answer = to_base64(finished.answer.as_bytes());
    let key = finished.session.as_ref().map(|session| to_base64(session.key.as_bytes()));
    format!("{finished:?} {answer} {key:?}")
}

/// Opens an outcome that was handed over: the job's id as clients hold it, and the outcome.
pub(crate) fn open_outcome(body: &[u8], numbers: &[u8]) -> Result<(String, Finished), String> {
    assert!(outcome::is_outcome(body), "it is known by its first byte");
    let opened = outcome::open(&vault(numbers), body).map_err(|error| error.to_string())?;
    Ok((opened.0.wire(), opened.1))
}

/// Seals the outcome that an entry of `outcomes.json` describes, to be handed over.
pub(crate) fn seal_outcome(entry: &Value, number: u8) -> Vec<u8> {
    outcome::seal(&vault(&[number]), &id(text(entry, "id")), &finished(&entry["finished"]))
}
