use super::*;

fn rule(text: &str) -> AllowRule {
    AllowRule::parse(text).expect("a rule")
}

fn secret() -> WebhookSecret {
    WebhookSecret::parse(&format!("whsec_{}", "QUJD".repeat(8))).expect("a secret")
}

fn caller_that_allows(rules: &[&str]) -> Authenticated {
    let callback_allow = rules.iter().map(|text| rule(text)).collect();
    caller_with(vec![App { callback_allow, ..app("wx1") }], vec![secret()])
}

/// The codes and details of what is wrong with the URL.
fn wrong(context: SubmissionContext<'_>, url: &str) -> Vec<(FieldCode, String)> {
    let body = format!(r#"{{"code":"c","callback_url":"{url}"}}"#);
    match Submission::read(body.as_bytes(), context) {
        Ok(submission) => {
            assert!(submission.callback_url.is_some());
            Vec::new()
        }
        Err(problem) => problem
            .errors()
            .iter()
            .map(|error| {
                assert_eq!(error.field, "callback_url");
                (error.code, error.detail.clone().into_owned())
            })
            .collect(),
    }
}

#[test]
fn allowed_url_is_accepted() {
    let caller = caller_that_allows(&["https://a.example/hooks", "http://b.example/"]);
    assert_eq!(wrong(context(&caller), "https://a.example/hooks/7?token=x"), []);
    let with_plain_http = SubmissionContext { allows_plain_http: true, ..context(&caller) };
    assert_eq!(wrong(with_plain_http, "http://b.example/"), []);
}

#[test]
fn every_broken_rule_is_named() {
    let caller = caller_that_allows(&["https://a.example/hooks"]);
    let only = |url: &str, code: FieldCode, words: &str| {
        let wrong = wrong(context(&caller), url);
        let [(found, detail)] = &wrong[..] else { panic!("{url}: {wrong:?}") };
        assert_eq!(*found, code, "{url}");
        assert!(detail.contains(words), "{url}: {detail}");
    };
    only("/hooks", FieldCode::InvalidValue, "absolute https");
    only("https://u:p@a.example/hooks", FieldCode::InvalidValue, "no user");
    only("https://a.example/hooks#x", FieldCode::InvalidValue, "fragment");
    only(&format!("https://a.example/{}", "x".repeat(2048)), FieldCode::TooLong, "longer");
    only("https://a.example/other", FieldCode::NotAllowed, "callback_allow");

    let in_the_clear = wrong(context(&caller), "http://a.example/hooks");
    assert_eq!(in_the_clear.len(), 2, "{in_the_clear:?}");
    assert!(in_the_clear[0].1.contains("must be https"));
}

#[test]
fn callbacks_need_an_allow_list_and_a_secret() {
    let nothing_allowed = wrong(context(&caller_that_allows(&[])), "https://a.example/");
    assert!(nothing_allowed[0].1.contains("names no address"), "{nothing_allowed:?}");

    let unsigned = App { callback_allow: vec![rule("https://a.example/")], ..app("wx1") };
    let caller = caller_with(vec![unsigned], Vec::new());
    let no_secret = wrong(context(&caller), "https://a.example/");
    assert!(no_secret[0].1.contains("webhook_secret"), "{no_secret:?}");
}

#[test]
fn callback_url_is_part_of_the_id() {
    let caller = caller_that_allows(&["https://a.example/"]);
    let id = |url: &str| {
        let body = format!(r#"{{"code":"c"{url}}}"#);
        let read = read_as(&caller, &body).expect("fine");
        let input = quhao_common::domain::job::IdInput {
            work: &read.work,
            metadata: None,
            callback_url: read.callback_url.as_ref(),
            idempotency_key: None,
        };
        input.id(&caller.registry.id_keys, &caller.client.name, &read.app.id).wire()
    };
    let none = id("");
    let one = id(r#","callback_url":"https://a.example/1""#);
    let other = id(r#","callback_url":"https://a.example/2""#);
    assert!(none != one && one != other && none != other);
}
