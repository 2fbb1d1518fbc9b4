use std::time::Duration;

use serde_json::{Value, json, value::RawValue};
use time::macros::datetime;

use super::*;
use crate::{
    crypto::{
        keyring::{Keyring, Secret32},
        vault::Sealed,
    },
    domain::{
        answer::AnswerValidity,
        client::ClientName,
        id::{IdKeys, JobKey},
        job::Work,
        outcome::{Opened, Success},
        phone::{LoginCode, Phone, PhoneCode},
    },
};

const CREATED: OffsetDateTime = datetime!(2026-11-22 12:00:00.120 UTC);

fn keys() -> IdKeys {
    IdKeys::new(Keyring::new(vec![(1, Secret32::new([7; 32]))]).expect("one key"))
}

fn job(metadata: Option<&str>) -> Job {
    let keys = keys();
    let client = ClientName::new("orders").expect("a name");
    let app = AppId::new("wx1").expect("an appid");
    Job {
        id: keys.derive(&client, &app, b"submission"),
        client,
        app,
        created_at: CREATED,
        expires_at: CREATED + Duration::from_mins(4),
        work: Work::Login { code: LoginCode::new("code".to_owned()) },
        metadata: metadata
            .map(|text| Metadata::new(RawValue::from_string(text.to_owned()).expect("JSON"))),
        callback_url: None,
        traceparent: None,
    }
}

fn stored(key: JobKey) -> StoredAnswer {
    StoredAnswer {
        key,
        created_at: CREATED,
        expires_at: CREATED + Duration::from_mins(4),
        finished_at: CREATED + Duration::from_millis(5),
        purge_at: CREATED + Duration::from_hours(24),
        answer: Some(Sealed::from_bytes(Vec::new())),
        validity: AnswerValidity::Always,
    }
}

fn success(opened: Opened) -> Outcome {
    Outcome::Succeeded(Success {
        openid: Some("o".to_owned()),
        unionid: None,
        opened,
        watermark_at: Some(datetime!(2026-11-22 20:00:00 +8)),
    })
}

fn object(job: &Job, answer: Answer) -> JobObject {
    let session =
        answer.session_openid().map(|openid| keys().session_handle(&job.client, &job.app, openid));
    JobObject::finished(&job.id, &job.app, session.as_ref(), &stored(job.id.key()), answer)
}

fn finished(job: &Job, outcome: Outcome) -> String {
    let answer = Answer::new(job, outcome);
    serde_json::to_string(&object(job, answer)).expect("serialisable")
}

fn value(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

#[test]
fn accepted_job_is_whole_and_its_url_rounds_up() {
    let job = job(Some(r#"{ "b":1,  "a":2.50 }"#));
    let text = serde_json::to_string(&JobObject::accepted(&job)).expect("serialisable");
    assert!(text.contains(r#""metadata":{ "b":1,  "a":2.50 }"#), "not verbatim: {text}");
    let id = job.id.wire();
    let expires = (CREATED + Duration::from_mins(4)).unix_timestamp() + 1;
    assert_eq!(
        value(&text),
        json!({
            "id": id, "url": format!("/v1/jobs/{id}?expires={expires}"), "app_id": "wx1",
            "status": "queued", "created_at": "2026-11-22T12:00:00.120Z",
            "expires_at": "2026-11-22T12:04:00.120Z", "finished_at": null, "result": null,
            "error": null, "metadata": {"b": 1, "a": 2.5},
        })
    );
}

#[test]
fn results_have_phone_or_open_data() {
    let job = job(None);
    let session = keys().session_handle(&job.client, &job.app, "o").wire();
    let guest = |mut result: Value| {
        let fields = json!({"openid": "o", "unionid": null, "session": session,
            "watermark_at": "2026-11-22T12:00:00.000Z"});
        result.as_object_mut().expect("an object").extend(fields.as_object().cloned().expect("it"));
        result
    };
    let result = |opened| value(&finished(&job, success(opened)))["result"].clone();
    assert_eq!(result(Opened::Nothing), guest(json!({"phone": null})));
    let phone = Phone {
        e164: "+8613580006666".to_owned(),
        phone_number: "13580006666".to_owned(),
        pure_phone_number: "13580006666".to_owned(),
        country_code: "86".to_owned(),
    };
    let fields = json!({"phone": {"e164": "+8613580006666", "phone_number": "13580006666",
        "pure_phone_number": "13580006666", "country_code": "86"}});
    assert_eq!(result(Opened::Phone(phone)), guest(fields));
    let open_data = RawValue::from_string(r#"{"nick":  "取"}"#.to_owned()).expect("JSON");
    let text = finished(&job, success(Opened::OpenData(open_data)));
    assert!(text.contains(r#""result":{"open_data":{"nick":  "取"},"openid":"o""#), "{text}");
}

#[test]
fn phone_code_gives_no_session() {
    let code = PhoneCode::new("code".to_owned());
    let work = Work::PhoneCode { code, openid: Some("o".to_owned()) };
    let object = value(&finished(&Job { work, ..job(None) }, success(Opened::Nothing)));
    assert_eq!(object["result"]["openid"], "o");
    assert_eq!(object["result"]["session"], Value::Null);
}

#[test]
fn failure_says_what_to_do() {
    let failure = Failure {
        code: FailureCode::CodeInvalid,
        platform_code: Some(40029),
        platform_rid: Some("rid".to_owned()),
    };
    let object = value(&finished(&job(None), Outcome::Failed(failure)));
    assert_eq!((&object["status"], &object["result"]), (&json!("failed"), &Value::Null));
    assert_eq!(object["finished_at"], "2026-11-22T12:00:00.125Z");
    assert_eq!(
        object["error"],
        json!({"code": "code_invalid", "message": FailureCode::CodeInvalid.message(),
            "advice": "login_again", "platform_code": 40029, "platform_rid": "rid"})
    );
}

#[test]
fn thin_job_lacks_its_result_and_nothing_else() {
    let job = job(Some("{}"));
    let answer = || Answer::new(&job, success(Opened::Nothing));
    let mut expected = serde_json::to_value(object(&job, answer())).expect("serialisable");
    let thin = serde_json::to_value(object(&job, answer()).thin()).expect("serialisable");
    expected["result"] = Value::Null;
    assert_eq!(thin, expected);
}

#[test]
fn job_known_by_its_url_is_queued_or_expired() {
    let (id, at) = (job(None).id, datetime!(2026-11-22 12:04:01 UTC));
    let queued = serde_json::to_value(JobObject::queued(&id, at)).expect("serialisable");
    let expired = serde_json::to_value(JobObject::expired(&id, at)).expect("serialisable");
    for object in [&queued, &expired] {
        for unknown in ["app_id", "created_at", "metadata", "result"] {
            assert_eq!(object[unknown], Value::Null, "{unknown}");
        }
        assert_eq!(object["expires_at"], "2026-11-22T12:04:01.000Z");
        assert_eq!(object["url"], url(&id, at));
    }
    assert_eq!((&queued["status"], &queued["error"]), (&json!("queued"), &Value::Null));
    assert_eq!(expired["error"]["code"], "deadline_exceeded");
    assert_eq!(expired["error"]["advice"], "login_then_tap");
}
