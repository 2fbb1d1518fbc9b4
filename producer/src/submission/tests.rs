use quhao_common::{
    crypto::{
        keyring::{Keyring, Secret32},
        vault::Vault,
        webhook_signature::WebhookSecret,
    },
    domain::{
        app::{App, AppId, Credential},
        callback_target::{AllowRule, CallbackBody},
        client::{Client, ClientName},
        directory::Directory,
        id::IdKeys,
        job::{Expect, Work},
    },
    process::registry::Registry,
};

use super::{base64_repair::Repair, *};
use crate::http::problem::{FieldCode, ProblemCode};

mod callback_url;
mod combination;
mod field;

const DATA: &str = "AAAAAAAAAAAAAAAAAAAAAA==";

fn ring() -> Keyring<Secret32> {
    Keyring::new(vec![(1, Secret32::new([7; 32]))]).expect("one key")
}

fn app(id: &str) -> App {
    App {
        id: AppId::new(id).expect("an appid"),
        client: ClientName::new("orders").expect("a name"),
        platform: "wechat".to_owned(),
        credential: Credential::Secret("secret".to_owned().into()),
        callback_allow: Vec::new(),
        callback_body: CallbackBody::Thin,
    }
}

/// The client `orders` with these apps, and with a webhook secret if there is one.
fn caller_with(apps: Vec<App>, webhook_secrets: Vec<WebhookSecret>) -> Authenticated {
    let name = ClientName::new("orders").expect("a name");
    let client = Client { name, api_key_sha256: vec![[1; 32]], webhook_secrets, rate: None };
    let directory = Arc::new(Directory::new(vec![client.clone()], apps));
    let vault = Arc::new(Vault::new(&ring()));
    let registry = Registry::new(directory, IdKeys::new(ring()), vault);
    Authenticated { client: Arc::new(client), registry: Arc::new(registry) }
}

fn caller(apps: &[&str]) -> Authenticated {
    caller_with(apps.iter().map(|id| app(id)).collect(), Vec::new())
}

/// The handle of a guest's session, as a result would give it.
fn session(caller: &Authenticated, app: &str) -> String {
    let app = AppId::new(app).expect("an appid");
    caller.registry.id_keys.session_handle(&caller.client.name, &app, "guest").wire()
}

fn read(body: &str) -> Result<Submission, Problem> {
    read_as(&caller(&["wx1"]), body)
}

fn read_as(caller: &Authenticated, body: &str) -> Result<Submission, Problem> {
    Submission::read(body.as_bytes(), context(caller))
}

fn context(caller: &Authenticated) -> SubmissionContext<'_> {
    SubmissionContext { caller, allows_plain_http: false, header_error: None }
}

/// Field and code of every error, sorted.
fn errors_of(problem: &Problem) -> Vec<(String, FieldCode)> {
    let mut errors: Vec<_> =
        problem.errors().iter().map(|e| (e.field.clone().into_owned(), e.code)).collect();
    errors.sort_by(|a, b| a.0.cmp(&b.0));
    errors
}

fn errors(body: &str) -> Vec<(String, FieldCode)> {
    let problem = read(body).expect_err(body);
    assert_eq!(problem.code(), ProblemCode::InvalidRequest, "{body}");
    errors_of(&problem)
}

fn error(body: &str) -> (String, FieldCode) {
    let [error] = errors(body).try_into().expect(body);
    error
}

#[test]
fn all_errors_are_reported_at_once() {
    let body = r#"{"app_id":7,"code":["c"],"encrypted_data":"%%","iv":null,"expect":"x",
        "deadline_seconds":1.5,"metadata":[],"session":"ses_x","callback_url":"here","expect":"phone",
        "surprise":1}"#;
    let expected = [
        ("app_id", FieldCode::WrongType),
        ("callback_url", FieldCode::InvalidValue),
        ("code", FieldCode::WrongType),
        ("deadline_seconds", FieldCode::WrongType),
        ("encrypted_data", FieldCode::NotBase64),
        ("expect", FieldCode::InvalidValue),
        ("expect", FieldCode::DuplicateField),
        ("iv", FieldCode::WrongType),
        ("metadata", FieldCode::WrongType),
        ("session", FieldCode::Conflicting),
        ("session", FieldCode::InvalidValue),
        ("surprise", FieldCode::UnknownField),
    ];
    assert_eq!(errors(body), expected.map(|(field, code)| (field.to_owned(), code)));
}

#[test]
fn app_must_be_the_clients_own() {
    let read = |body: &str, apps: &[&str]| {
        read_as(&caller(apps), body)
            .map(|submission| submission.app.id.as_str().to_owned())
            .map_err(|problem| (problem.code(), problem.errors()[0].code))
    };
    let two = ["wx1", "wx2"];
    assert_eq!(read(r#"{"code":"c","app_id":"wx2"}"#, &two), Ok("wx2".to_owned()));
    let missing = Err((ProblemCode::InvalidRequest, FieldCode::Required));
    assert_eq!(read(r#"{"code":"c"}"#, &two), missing);
    assert_eq!(read(r#"{"code":"c"}"#, &[]), missing);
    let foreign = Err((ProblemCode::NotFound, FieldCode::NotFound));
    for foreign_app in ["wx3", "", "取", "x y"] {
        let body = format!(r#"{{"code":"c","app_id":"{foreign_app}"}}"#);
        assert_eq!(read(&body, &two), foreign, "{foreign_app}");
    }
    // With anything else wrong it is a bad request.
    let both = Err((ProblemCode::InvalidRequest, FieldCode::NotFound));
    assert_eq!(read(r#"{"app_id":"wx3"}"#, &two), both);
}

#[test]
fn body_that_is_no_object_is_refused() {
    for body in ["", "{", "{}x", "\u{feff}{}", "{\"a\":tru}", "{\"\\ud800\":1}", "nul"] {
        let problem = read(body).expect_err(body);
        assert_eq!(problem.code(), ProblemCode::MalformedJson, "{body}");
    }
    let not_utf8 = Submission::read(b"{\"code\":\"\xff\"}", context(&caller(&["wx1"])));
    assert_eq!(not_utf8.expect_err("not UTF-8").code(), ProblemCode::MalformedJson);
    for body in ["[]", "1", "\"x\"", "null", " true "] {
        assert_eq!(error(body), (String::new(), FieldCode::WrongType), "{body}");
    }
    let deep = "[".repeat(60_000);
    assert_eq!(read(&deep).expect_err("deep").code(), ProblemCode::MalformedJson);
}

#[test]
fn no_error_repeats_a_value() {
    let secret = "s3cr3t-c0de";
    for body in [
        format!(
            r#"{{"code":"{secret} x","app_id":"{secret}","iv":"{secret}","expect":"{secret}"}}"#
        ),
        format!(
            r#"{{"code":"c","encrypted_data":"{secret}","metadata":"{secret}","x":"{secret}"}}"#
        ),
        format!(r#"{{"session":"{secret}","openid":"{secret}","callback_url":"{secret}"}}"#),
        format!(
            r#"{{"phone_code":"{secret} ","openid":"{secret} ","callback_url":"https://x/{secret}"}}"#
        ),
        format!(r#"{{"code":"{secret}" "#),
        format!(r#""{secret}""#),
    ] {
        let problem = format!("{:?}", read(&body).expect_err("refused"));
        assert!(!problem.contains(secret), "{problem}");
    }
}

#[test]
fn list_of_errors_is_bounded() {
    let fields: Vec<_> = (0..5000).map(|at| format!("\"{at}\":0")).collect();
    let problem = read(&format!("{{{}}}", fields.join(","))).expect_err("unknown fields");
    assert_eq!(problem.errors().len(), 32);
    let name = "取".repeat(1000);
    let (field, code) = error(&format!(r#"{{"code":"c","{name}":0}}"#));
    assert_eq!((field.chars().count(), code), (64, FieldCode::UnknownField));
}
