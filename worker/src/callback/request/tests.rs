//! Callbacks are those of before: what receivers verify, read and keep.

use quhao_common::{
    crypto::vault::Sealed,
    domain::answer::{Answer, AnswerValidity, StoredAnswer},
};
use serde_json::Value;

use super::*;
use crate::{
    callback::reason::Reason,
    tests::golden::{app, base64, client, id_keys, key_number, list, text, vault},
};

fn at(ms: &Value) -> OffsetDateTime {
    let ms = i128::from(ms.as_i64().unwrap());
    OffsetDateTime::from_unix_timestamp_nanos(ms * 1_000_000).unwrap()
}

/// Makes the callback that `entry` of `webhooks.json` describes, from its sealed answer.
fn request(entry: &Value) -> Request {
    let answers = list("answers.json", "answers");
    let answer = answers.iter().find(|answer| answer["name"] == entry["answer"]).unwrap();
    let job = &answer["job"];
    let (id, client, app) = (text(job, "id"), client(job), app(job));
    let id = JobId::parse_unverified(id).unwrap();
    let stored = StoredAnswer {
        key: id.key(),
        created_at: at(&job["created_ms"]),
        expires_at: at(&job["expires_ms"]),
        finished_at: at(&entry["finished_ms"]),
        purge_at: at(&job["expires_ms"]),
        answer: None,
        validity: AnswerValidity::Always,
    };
    let sealed = Sealed::from_bytes(base64(answer, "sealed"));
    let answer = Answer::open(&vault(&[2, 1]), id.key(), &app, &sealed).unwrap();
    let keys = id_keys(&[key_number(entry)]);
    let session = answer.session_openid().map(|openid| keys.session_handle(&client, &app, openid));
    let object = JobObject::finished(&id, &app, session.as_ref(), &stored, answer);
    let event = Event {
        job_id: id,
        kind: match text(entry, "event") {
            "job.succeeded" => CallbackEvent::Succeeded,
            "job.failed" => CallbackEvent::Failed,
            other => panic!("no event is called {other}"),
        },
        known_at: stored.finished_at,
        job: if entry["tells"] == "whole" { object } else { object.thin() },
    };
    let secrets = entry["secrets"].as_array().unwrap().iter();
    let secrets = secrets.map(|text| WebhookSecret::parse(text.as_str().unwrap()).unwrap());
    let now = OffsetDateTime::from_unix_timestamp(entry["signed_s"].as_i64().unwrap()).unwrap();
    event.sign(&secrets.collect::<Vec<_>>(), now)
}

#[test]
fn callbacks_are_as_before() {
    for entry in list("webhooks.json", "callbacks") {
        let Request { headers, body } = request(&entry);
        assert_eq!(String::from_utf8(body).unwrap(), text(&entry, "body"), "{}", entry["name"]);
        let expected = entry["headers"].as_object().unwrap();
        assert_eq!(headers.len(), expected.len(), "{}", entry["name"]);
        for (name, value) in expected {
            assert_eq!(headers[name].to_str().unwrap(), value, "{name} of {}", entry["name"]);
        }
    }
}

#[test]
fn every_reason_of_before_has_its_name() {
    let known: Vec<_> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
    for reason in list("webhooks.json", "reasons") {
        assert!(known.contains(&reason.as_str().unwrap()), "{reason} is unknown");
    }
}
