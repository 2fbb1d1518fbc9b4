use quhao_common::process::metrics::RepairedField;

use super::*;

#[test]
fn transport_damage_is_repaired_and_recorded() {
    let body = format!(r#"{{"code":"c","encrypted_data":"{DATA}","iv":"{}"}}"#, &DATA[..22]);
    let repair = FieldRepair { field: RepairedField::Iv, repair: Repair::Padding };
    assert_eq!(read(&body).expect("repairable").repairs, [repair]);
}

#[test]
fn both_codes_have_the_same_rules() {
    let longest = "c".repeat(512);
    let long = "c".repeat(513);
    for field in ["code", "phone_code"] {
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
            let body = format!(r#"{{"{field}":"{code}"}}"#);
            assert_eq!(error(&body), (field.to_owned(), expected), "{body}");
        }
        assert!(read(&format!(r#"{{"{field}":"{longest}"}}"#)).is_ok());
        assert_eq!(error(&format!(r#"{{"{field}":null}}"#)).1, FieldCode::WrongType);
    }
}

#[test]
fn openid_is_short_and_visible() {
    let with = |openid: &str| format!(r#"{{"phone_code":"p","openid":"{openid}"}}"#);
    let longest = "o".repeat(128);
    let long = "o".repeat(129);
    for (openid, expected) in [
        ("", FieldCode::Empty),
        ("a b", FieldCode::InvalidCharacters),
        ("é", FieldCode::InvalidCharacters),
        (long.as_str(), FieldCode::TooLong),
    ] {
        assert_eq!(error(&with(openid)), ("openid".to_owned(), expected), "{openid}");
    }
    assert!(read(&with(&longest)).is_ok());
}

#[test]
fn deadline_and_aliases_have_their_rules() {
    let with = |rest: &str| error(&format!(r#"{{"code":"c",{rest}}}"#));
    for number in ["0", "291", "-1", "-0", "99999999999999999999999999"] {
        let field = with(&format!(r#""deadline_seconds":{number}"#));
        assert_eq!(field, ("deadline_seconds".to_owned(), FieldCode::OutOfRange), "{number}");
    }
    for number in ["1.0", "1e2", "\"240\"", "true"] {
        let field = with(&format!(r#""deadline_seconds":{number}"#));
        assert_eq!(field, ("deadline_seconds".to_owned(), FieldCode::WrongType), "{number}");
    }
    assert_eq!(
        with(&format!(r#""encrypted_data":"{DATA}","encryptedData":"{DATA}","iv":"{DATA}""#)),
        ("encryptedData".to_owned(), FieldCode::DuplicateField)
    );
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
