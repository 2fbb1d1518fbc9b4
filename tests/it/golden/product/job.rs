//! Jobs and their answers, as the data files describe them.

use quhao_common::{
    crypto::vault::Sealed,
    domain::{
        answer::Answer,
        app::AppId,
        callback_target::CallbackUrl,
        client::ClientName,
        failure::{Failure, FailureCode},
        id::{IdKeys, JobId, JobKey},
        job::{Expect, IdInput, Job, Metadata, Work},
        outcome::{Opened, Outcome, Success},
        phone::{Encrypted, LoginCode, Phone, PhoneCode},
        session_handle::HandleKey,
    },
    envelope::{batch, job as envelope},
};
use serde_json::{Value, value::RawValue};
use time::OffsetDateTime;

use super::{
    super::file::{array, base64, hex_16, maybe_text, named, number, sixteen, small, text},
    secret::vault,
};

pub(crate) fn client(name: &str) -> ClientName {
    ClientName::new(name).unwrap()
}

pub(crate) fn app(id: &str) -> AppId {
    AppId::new(id).unwrap()
}

/// Returns a time that is written in milliseconds since 1970.
pub(crate) fn time(ms: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000).unwrap()
}

/// Returns an id that is written as clients hold it.
pub(crate) fn id(wire: &str) -> JobId {
    JobId::parse_unverified(wire).unwrap()
}

fn raw(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).unwrap()
}

fn callback_url(of: &Value) -> Option<CallbackUrl> {
    maybe_text(of, "callback_url").map(|url| CallbackUrl::parse(&url).unwrap())
}

fn metadata(of: &Value) -> Option<Metadata> {
    maybe_text(of, "metadata").map(|json| Metadata::new(raw(&json)))
}

fn work(of: &Value) -> Work {
    let login_code = || LoginCode::new(text(of, "code").to_owned());
    let encrypted = || Encrypted::new(base64(of, "data"), sixteen(&base64(of, "iv"))).unwrap();
    let expect = || match text(of, "expect") {
        "phone" => Expect::Phone,
        "open_data" => Expect::OpenData,
        other => panic!("nobody expects {other}"),
    };
    match text(of, "kind") {
        "login" => Work::Login { code: login_code() },
        "login_and_decrypt" => {
            Work::LoginAndDecrypt { code: login_code(), encrypted: encrypted(), expect: expect() }
        }
        "stored_session" => Work::StoredSession {
            handle: HandleKey::from_bytes(hex_16(of, "handle")),
            encrypted: encrypted(),
            expect: expect(),
        },
        "phone_code" => Work::PhoneCode {
            code: PhoneCode::new(text(of, "code").to_owned()),
            openid: maybe_text(of, "openid"),
        },
        other => panic!("no work is called {other}"),
    }
}

/// Returns the job that `of` describes.
pub(crate) fn job(of: &Value) -> Job {
    Job {
        id: id(text(of, "id")),
        client: client(text(of, "client")),
        app: app(text(of, "app")),
        created_at: time(number(of, "created_ms")),
        expires_at: time(number(of, "expires_ms")),
        work: work(&of["work"]),
        metadata: metadata(of),
        callback_url: callback_url(of),
        traceparent: maybe_text(of, "traceparent"),
    }
}

/// Derives the id of the submission that `of` describes, under the newest of `keys`.
pub(crate) fn submission_id(of: &Value, keys: &IdKeys) -> JobId {
    let (work, metadata, url) = (work(&of["work"]), metadata(of), callback_url(of));
    let idempotency_key = maybe_text(of, "idempotency_key");
    let input = IdInput {
        work: &work,
        metadata: metadata.as_ref(),
        callback_url: url.as_ref(),
        idempotency_key: idempotency_key.as_deref(),
    };
    input.id(keys, &client(text(of, "client")), &app(text(of, "app")))
}

/// Opens an envelope with the seal secrets of these numbers.
pub(crate) fn open_envelope(body: &[u8], numbers: &[u8]) -> Result<Job, String> {
    envelope::open(&vault(numbers), body).map_err(|error| error.to_string())
}

/// Seals the job that `of` describes with the seal secret of this number.
pub(crate) fn seal_envelope(of: &Value, number: u8) -> Vec<u8> {
    envelope::seal(&vault(&[number]), &job(of))
}

/// Returns the id that an envelope shows without being opened, as logs show it.
pub(crate) fn claimed_id(body: &[u8]) -> Option<String> {
    envelope::claimed_id(body).map(|id| id.to_string())
}

/// Packs envelopes into one message.
pub(crate) fn pack(envelopes: &[Vec<u8>]) -> Vec<u8> {
    batch::pack(envelopes.iter().map(Vec::as_slice))
}

/// Takes a message with several envelopes apart.
pub(crate) fn unpack(body: &[u8]) -> Vec<Vec<u8>> {
    assert!(batch::is_batch(body), "it is known by its first byte");
    batch::unpack(body).unwrap().into_iter().map(<[u8]>::to_vec).collect()
}

fn outcome(of: &Value) -> Outcome {
    if let Some(code) = maybe_text(of, "code") {
        return Outcome::Failed(Failure {
            code: FailureCode::from_name(&code).unwrap_or_else(|| panic!("{code} is unknown")),
            platform_code: of["platform_code"].as_i64(),
            platform_rid: maybe_text(of, "platform_rid"),
        });
    }
    let opened = match (&of["phone"], maybe_text(of, "open_data")) {
        (Value::Null, None) => Opened::Nothing,
        (Value::Null, Some(json)) => Opened::OpenData(raw(&json)),
        (phone, _) => Opened::Phone(Phone {
            e164: text(phone, "e164").to_owned(),
            phone_number: text(phone, "phone_number").to_owned(),
            pure_phone_number: text(phone, "pure_phone_number").to_owned(),
            country_code: text(phone, "country_code").to_owned(),
        }),
    };
    Outcome::Succeeded(Success {
        openid: maybe_text(of, "openid"),
        unionid: maybe_text(of, "unionid"),
        opened,
        watermark_at: of["watermark_s"].as_i64().map(|seconds| time(seconds * 1000)),
    })
}

/// Returns the answer that an entry of `answers.json` describes.
pub(crate) fn answer(entry: &Value) -> Answer {
    Answer::new(&job(&entry["job"]), outcome(&entry["outcome"]))
}

/// Returns the text that is sealed of an answer.
pub(crate) fn answer_text(answer: &Answer) -> String {
    serde_json::to_string(answer).unwrap()
}

/// Seals the answer that an entry of `answers.json` describes.
pub(crate) fn seal_answer(entry: &Value, number: u8) -> Vec<u8> {
    let job = job(&entry["job"]);
    answer(entry).seal(&vault(&[number]), job.id.key(), &job.app).into_bytes()
}

/// Opens the box of an answer for its row.
pub(crate) fn open_answer(
    sealed: &[u8],
    key: [u8; 16],
    of: &str,
    numbers: &[u8],
) -> Result<Answer, String> {
    let (key, sealed) = (JobKey::from_bytes(key), Sealed::from_bytes(sealed.to_vec()));
    Answer::open(&vault(numbers), key, &app(of), &sealed).map_err(|error| error.to_string())
}

/// Returns the box of `answers.json` with this name.
pub(crate) fn sealed_answer(name: &str) -> Vec<u8> {
    base64(&named("answers.json", "answers", name), "sealed")
}

/// Returns the envelopes of `envelopes.json` with these names.
pub(crate) fn envelopes(of: &Value, field: &str) -> Vec<Vec<u8>> {
    let body = |name: &Value| {
        let entry = named("envelopes.json", "envelopes", name.as_str().unwrap());
        assert!(small(&entry, "version") > 0, "{name} has a version");
        base64(&entry, "body")
    };
    array(of, field).iter().map(body).collect()
}

/// Returns the names of all failures that this build knows.
pub(crate) fn failure_names() -> Vec<&'static str> {
    FailureCode::ALL.iter().map(|code| code.as_str()).collect()
}
