use std::sync::Arc;

use quhao_common::app::{AppId, ClientName};

use super::*;
use crate::problem::ProblemCode;

const DATA: &str = "AAAAAAAAAAAAAAAAAAAAAA==";

fn app(id: &str) -> Arc<App> {
    Arc::new(App {
        id: AppId::new(id).expect("an appid"),
        client: ClientName::new("orders").expect("a name"),
        platform: "wechat".to_owned(),
        secret: "secret".to_owned().into(),
    })
}

fn read(body: &str) -> Result<Submission, Problem> {
    Submission::read(body.as_bytes(), &[app("wx1")], None)
}

/// Field and code of every error, sorted.
fn errors(body: &str) -> Vec<(String, FieldCode)> {
    let problem = read(body).expect_err(body);
    assert_eq!(problem.code(), ProblemCode::InvalidRequest, "{body}");
    let mut errors: Vec<_> =
        problem.errors().iter().map(|e| (e.field.clone().into_owned(), e.code)).collect();
    errors.sort_by(|a, b| a.0.cmp(&b.0));
    errors
}

fn error(body: &str) -> (String, FieldCode) {
    let [error] = errors(body).try_into().expect(body);
    error
}

#[test]
fn the_two_ways_are_read() {
    let login = read(r#"{"code":"c"}"#).expect("a login");
    assert!(matches!(&login.work, Work::Login { code } if code.expose() == "c"));
    assert_eq!(login.deadline, Duration::from_mins(4));
    assert_eq!(login.app.id.as_str(), "wx1");

    let body = format!(
        r#"{{"app_id":"wx1","code":"c","encryptedData":"{DATA}","iv":"{DATA}",
             "expect":"open_data","deadline_seconds":290,"metadata":{{ "a" : [1, 1.0] }}}}"#
    );
    let whole = read(&body).expect("a login with ciphertext");
    assert!(matches!(whole.work, Work::LoginAndDecrypt { expect: Expect::OpenData, .. }));
    assert_eq!(whole.metadata.expect("metadata").json().get(), r#"{ "a" : [1, 1.0] }"#);
    assert_eq!(whole.deadline, Duration::from_secs(290));
    assert!(whole.repairs.is_empty());
}

#[test]
fn transport_damage_is_undone_and_said() {
    let body = format!(r#"{{"code":"c","encrypted_data":"{DATA}","iv":"{}"}}"#, &DATA[..22]);
    assert_eq!(read(&body).expect("repairable").repairs, [("iv", Repair::Padding)]);
}

#[test]
fn everything_wrong_is_said_at_once() {
    let body = r#"{"app_id":7,"code":["c"],"encrypted_data":"%%","iv":null,"expect":"x",
        "deadline_seconds":1.5,"metadata":[],"session":"ses_x","expect":"phone"}"#;
    let expected = [
        ("app_id", FieldCode::WrongType),
        ("code", FieldCode::WrongType),
        ("deadline_seconds", FieldCode::WrongType),
        ("encrypted_data", FieldCode::NotBase64),
        ("expect", FieldCode::InvalidValue),
        ("expect", FieldCode::DuplicateField),
        ("iv", FieldCode::WrongType),
        ("metadata", FieldCode::WrongType),
        ("session", FieldCode::UnknownField),
    ];
    assert_eq!(errors(body), expected.map(|(field, code)| (field.to_owned(), code)));
}

#[test]
fn each_field_has_its_rules() {
    let with = |rest: &str| error(&format!(r#"{{"code":"c",{rest}}}"#));
    let long = "c".repeat(513);
    for (code, expected) in [
        ("", FieldCode::Empty),
        (" undefined ", FieldCode::Empty),
        ("null", FieldCode::Empty),
        ("a b", FieldCode::InvalidCharacters),
        ("取号", FieldCode::InvalidCharacters),
        ("\\u0000", FieldCode::InvalidCharacters),
        ("\\ud800", FieldCode::InvalidCharacters),
        (long.as_str(), FieldCode::TooLong),
    ] {
        assert_eq!(error(&format!(r#"{{"code":"{code}"}}"#)), ("code".to_owned(), expected));
    }
    for number in ["0", "291", "-1", "-0", "99999999999999999999999999"] {
        let field = with(&format!(r#""deadline_seconds":{number}"#));
        assert_eq!(field, ("deadline_seconds".to_owned(), FieldCode::OutOfRange), "{number}");
    }
    for number in ["1.0", "1e2", "\"240\"", "true"] {
        let field = with(&format!(r#""deadline_seconds":{number}"#));
        assert_eq!(field, ("deadline_seconds".to_owned(), FieldCode::WrongType), "{number}");
    }
    assert_eq!(with(r#""expect":"open_data""#).1, FieldCode::InvalidValue);
    assert_eq!(
        with(&format!(r#""encrypted_data":"{DATA}","encryptedData":"{DATA}","iv":"{DATA}""#)),
        ("encryptedData".to_owned(), FieldCode::DuplicateField)
    );
}

#[test]
fn ciphertext_and_vector_belong_together() {
    let required = |field: &str| (field.to_owned(), FieldCode::Required);
    let code = r#""code":"c""#;
    assert_eq!(error(&format!(r#"{{{code},"encrypted_data":"{DATA}"}}"#)), required("iv"));
    assert_eq!(error(&format!(r#"{{{code},"encryptedData":"{DATA}"}}"#)), required("iv"));
    assert_eq!(error(&format!(r#"{{{code},"iv":"{DATA}"}}"#)), required("encrypted_data"));
    assert_eq!(error("{}"), required("code"));
}

#[test]
fn metadata_must_be_readable_by_others() {
    let metadata = |text: &str| error(&format!(r#"{{"code":"c","metadata":{text}}}"#)).1;
    let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(200), "]".repeat(200));
    assert_eq!(metadata(&deep), FieldCode::InvalidValue);
    assert_eq!(metadata(r#"{"a":1e999}"#), FieldCode::InvalidValue);
    assert_eq!(metadata(r#"{"a":"\ud800"}"#), FieldCode::InvalidValue);
    assert_eq!(metadata(&format!(r#"{{"a":"{}"}}"#, "x".repeat(2041))), FieldCode::TooLong);
    let longest = format!(r#"{{"code":"c","metadata":{{"a":"{}"}}}}"#, "x".repeat(2040));
    assert!(read(&longest).is_ok());
}

#[test]
fn the_app_is_the_clients_own() {
    let read = |body: &str, apps: &[Arc<App>]| {
        Submission::read(body.as_bytes(), apps, None)
            .map(|submission| submission.app.id.as_str().to_owned())
            .map_err(|problem| (problem.code(), problem.errors()[0].code))
    };
    let two = [app("wx1"), app("wx2")];
    assert_eq!(read(r#"{"code":"c","app_id":"wx2"}"#, &two), Ok("wx2".to_owned()));
    let missing = Err((ProblemCode::InvalidRequest, FieldCode::Required));
    assert_eq!(read(r#"{"code":"c"}"#, &two), missing);
    assert_eq!(read(r#"{"code":"c"}"#, &[]), missing);
    let foreign = Err((ProblemCode::NotFound, FieldCode::NotFound));
    assert_eq!(read(r#"{"code":"c","app_id":"wx3"}"#, &two), foreign);
    // With anything else wrong it is a bad request.
    let both = Err((ProblemCode::InvalidRequest, FieldCode::NotFound));
    assert_eq!(read(r#"{"app_id":"wx3"}"#, &two), both);
}

#[test]
fn what_is_no_object_is_refused_without_quoting_it() {
    for body in ["", "{", "{}x", "\u{feff}{}", "{\"a\":tru}", "{\"\\ud800\":1}", "nul"] {
        let problem = read(body).expect_err(body);
        assert_eq!(problem.code(), ProblemCode::MalformedJson, "{body}");
    }
    let not_utf8 = Submission::read(b"{\"code\":\"\xff\"}", &[app("wx1")], None);
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
        format!(r#"{{"code":"{secret}" "#),
        format!(r#""{secret}""#),
    ] {
        let problem = format!("{:?}", read(&body).expect_err("refused"));
        assert!(!problem.contains(secret), "{problem}");
    }
}

#[test]
fn the_list_of_errors_is_bounded() {
    let fields: Vec<_> = (0..5000).map(|at| format!("\"{at}\":0")).collect();
    let problem = read(&format!("{{{}}}", fields.join(","))).expect_err("unknown fields");
    assert_eq!(problem.errors().len(), 32);
    let name = "取".repeat(1000);
    let (field, code) = error(&format!(r#"{{"code":"c","{name}":0}}"#));
    assert_eq!((field.chars().count(), code), (64, FieldCode::UnknownField));
}
