use quhao_common::domain::app::{ThirdPartyPlatform, ThirdPartyTokenSource};

use super::*;

#[test]
fn every_combination_of_the_contract_is_read() {
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

    let caller = caller(&["wx1"]);
    let handle = session(&caller, "wx1");
    let body = format!(r#"{{"session":"{handle}","encrypted_data":"{DATA}","iv":"{DATA}"}}"#);
    let stored = read_as(&caller, &body).expect("a stored session");
    assert!(matches!(stored.work, Work::StoredSession { expect: Expect::Phone, .. }));

    let bare = read(r#"{"phone_code":"p"}"#).expect("a phone code");
    assert!(matches!(&bare.work, Work::PhoneCode { code, openid: None } if code.expose() == "p"));
    let known = read(r#"{"phone_code":"p","openid":"o","expect":"phone"}"#).expect("with openid");
    assert!(matches!(&known.work, Work::PhoneCode { openid: Some(openid), .. } if openid == "o"));
}

/// Tries every set of the fields that make a combination.
#[test]
fn other_combinations_are_refused_with_advice() {
    let caller = caller(&["wx1"]);
    let handle = session(&caller, "wx1");
    let fields = [
        ("code", "c"),
        ("session", handle.as_str()),
        ("phone_code", "p"),
        ("openid", "o"),
        ("encrypted_data", DATA),
        ("iv", DATA),
    ];
    let possible = [
        vec!["code"],
        vec!["code", "encrypted_data", "iv"],
        vec!["session", "encrypted_data", "iv"],
        vec!["phone_code"],
        vec!["phone_code", "openid"],
    ];
    for chosen in 0..1_u32 << fields.len() {
        let there =
            || fields.iter().enumerate().filter(|(at, _)| chosen >> at & 1 == 1).map(|(_, it)| it);
        let names: Vec<_> = there().map(|(name, _)| *name).collect();
        let members: Vec<_> =
            there().map(|(name, value)| format!("\"{name}\":\"{value}\"")).collect();
        let read = read_as(&caller, &format!("{{{}}}", members.join(",")));
        assert_eq!(read.is_ok(), possible.contains(&names), "{names:?}: {read:?}");
        if let Err(problem) = read {
            assert_eq!(problem.code(), ProblemCode::InvalidRequest, "{names:?}");
            for error in problem.errors() {
                assert!(error.detail.contains("send code alone"), "{names:?}: {error:?}");
                let code = if names.contains(&error.field.as_ref()) {
                    FieldCode::Conflicting
                } else {
                    FieldCode::Required
                };
                assert_eq!(error.code, code, "{names:?}: {error:?}");
            }
        }
    }
}

#[test]
fn ciphertext_and_vector_belong_together() {
    let required = |field: &str| (field.to_owned(), FieldCode::Required);
    let code = r#""code":"c""#;
    assert_eq!(error(&format!(r#"{{{code},"encrypted_data":"{DATA}"}}"#)), required("iv"));
    assert_eq!(error(&format!(r#"{{{code},"encryptedData":"{DATA}"}}"#)), required("iv"));
    assert_eq!(error(&format!(r#"{{{code},"iv":"{DATA}"}}"#)), required("encrypted_data"));
    assert_eq!(error("{}"), required("code"));
    assert_eq!(error(r#"{"openid":"o"}"#), required("phone_code"));
}

#[test]
fn open_data_needs_a_ciphertext() {
    let wrong = ("expect".to_owned(), FieldCode::InvalidValue);
    assert_eq!(error(r#"{"code":"c","expect":"open_data"}"#), wrong);
    assert_eq!(error(r#"{"phone_code":"p","expect":"open_data"}"#), wrong);
}

#[test]
fn session_must_be_made_for_this_client_and_app() {
    let caller = caller(&["wx1", "wx2"]);
    let mut stranger = super::caller(&["wx1", "wx2"]);
    let elsewhere = ClientName::new("elsewhere").expect("a name");
    stranger.client = Arc::new(Client { name: elsewhere, ..Client::clone(&stranger.client) });
    let own = session(&caller, "wx1");
    let with = |app: &str, handle: &str| {
        let body = format!(
            r#"{{"app_id":"{app}","session":"{handle}","encrypted_data":"{DATA}","iv":"{DATA}"}}"#
        );
        read_as(&caller, &body).map_err(|problem| errors_of(&problem))
    };
    assert!(with("wx1", &own).is_ok());
    let other_end = if own.ends_with('0') { '1' } else { '0' };
    let changed = format!("{}{other_end}", &own[..own.len() - 1]);
    let as_id = own.replacen("ses_", "job_", 1);
    let foreign = session(&stranger, "wx1");
    for (app, handle) in [
        ("wx2", own.as_str()),
        ("wx1", &changed),
        ("wx1", &as_id),
        ("wx1", &own[..31]),
        ("wx1", &foreign),
        ("wx1", ""),
        ("wx1", "undefined"),
    ] {
        let refused = with(app, handle).expect_err(handle);
        assert_eq!(refused, [("session".to_owned(), FieldCode::InvalidValue)], "{app} {handle}");
    }
    // Without a valid app_id the handle is checked all the same.
    let body = format!(r#"{{"session":"{own}","encrypted_data":"{DATA}","iv":"{DATA}"}}"#);
    let refused = errors_of(&read_as(&caller, &body).expect_err("which app?"));
    assert_eq!(refused, [("app_id".to_owned(), FieldCode::Required)]);
}

#[test]
fn third_party_platform_apps_take_no_phone_codes() {
    let component = Arc::new(ThirdPartyPlatform {
        app_id: AppId::new("wxc").expect("an appid"),
        token: ThirdPartyTokenSource::File("token".into()),
    });
    let component = App { credential: Credential::ThirdPartyPlatform(component), ..app("wx1") };
    let caller = caller_with(vec![component], Vec::new());
    let problem = read_as(&caller, r#"{"phone_code":"p"}"#).expect_err("refused");
    assert_eq!(errors_of(&problem), [("phone_code".to_owned(), FieldCode::NotAllowed)]);
    assert!(read_as(&caller, r#"{"code":"c"}"#).is_ok());
}
