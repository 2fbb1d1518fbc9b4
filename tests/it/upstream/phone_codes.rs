//! The phone button's own code: redeemed at the platform, with an access token.

use std::{fmt::Write, time::Duration};

use quhao_simulator::{Action, Endpoint, Options, PhonePayload, PhoneTap, PhoneTapSpec, Watermark};
use quhao_tests::{
    client::Client,
    config::{APP, APP_ELSEWHERE, Mode},
    in_both_modes,
    world::{World, WorldOptions},
};
use serde_json::{Value, json};

/// The number, how often it is given, the code and the advice.
const ROWS: &[(i64, usize, &str, &str)] = &[
    (-1, 3, "platform_unavailable", "try_later"),
    (40029, 1, "code_invalid", "tap_again"),
    (40003, 1, "code_invalid", "tap_again"),
    (40013, 1, "code_invalid", "tap_again"),
    (40163, 9, "code_already_used", "tap_again"),
    (40226, 1, "user_blocked", "refuse"),
    (45011, 9, "platform_rate_limited", "try_later"),
    (45009, 1, "platform_rate_limited", "try_later"),
    (48001, 1, "app_forbidden", "contact_operator"),
    (50002, 1, "app_forbidden", "contact_operator"),
    (40001, 2, "app_misconfigured", "contact_operator"),
    (40014, 2, "app_misconfigured", "contact_operator"),
    (42001, 2, "app_misconfigured", "contact_operator"),
    (41001, 1, "platform_unexpected", "contact_operator"),
    (47001, 1, "platform_unexpected", "contact_operator"),
    (99999, 1, "platform_unexpected", "contact_operator"),
];

in_both_modes!(
    a_phone_code_tells_the_number,
    the_platform_checks_whose_code_it_is,
    a_code_works_once_and_only_as_what_it_is,
    a_number_is_judged_like_a_decrypted_one,
    every_errcode_has_its_failure_and_advice,
    a_passing_trouble_is_retried_to_success,
    code_taken_without_an_answer_ends_session_lost,
    no_code_token_or_number_reaches_a_log_line,
);

fn tap(world: &World) -> PhoneTap {
    world.simulator.phone_tap(PhoneTapSpec::new(APP))
}

async fn end(client: Client, mut job: Value) -> Value {
    job["deadline_seconds"] = json!(6);
    let reply = client.submit(&job).await;
    assert_eq!(reply.status, 202, "{}", reply.text);
    client.wait_until_done(reply.text_at("/url"), Duration::from_secs(40)).await
}

async fn a_phone_code_tells_the_number(mode: Mode) {
    for country_code_as_number in [false, true] {
        let simulator = Options { country_code_as_number, ..Options::default() };
        let world = World::with(mode, WorldOptions { simulator, ..WorldOptions::default() }).await;
        let foreign = PhonePayload::foreign(APP, "852", "51234567");
        let (home, abroad) =
            (tap(&world), world.simulator.phone_tap(PhoneTapSpec::new(APP).payload(foreign)));
        for (tap, country) in [(&home, "86"), (&abroad, "852")] {
            let job = end(world.client(), json!({"phone_code": tap.phone_code})).await;
            assert_eq!(job["status"], "succeeded", "{job}");
            let result = &job["result"];
            let e164 = format!("+{country}{}", tap.phone);
            assert_eq!(result["phone"]["e164"], e164, "{job}");
            assert_eq!(result["phone"]["country_code"], country);
            assert_eq!(result["openid"], Value::Null, "a bare code tells nobody");
            assert_eq!(result["session"], Value::Null);
            assert!(result["watermark_at"].is_string(), "{job}");
        }
        // The same submission again is the same job.
        let again = end(world.client(), json!({"phone_code": home.phone_code})).await;
        assert_eq!(again["result"]["phone"]["pure_phone_number"], home.phone);
        assert_eq!(world.simulator.redeems_of(&home.phone_code), 1);
        let counts = world.simulator.redeem_counts();
        assert_eq!((counts.redeems, counts.redeemed), (2, 2));
        assert_eq!(world.simulator.counts().calls, 0, "there is nothing to exchange");
    }
}

async fn the_platform_checks_whose_code_it_is(mode: Mode) {
    let world = World::start(mode).await;
    let (own, another) = (tap(&world), tap(&world));
    let job = json!({"phone_code": own.phone_code, "openid": another.openid});
    let job = end(world.client(), job).await;
    assert_eq!(job["error"]["code"], "code_invalid", "{job}");
    assert_eq!(job["error"]["advice"], "tap_again");
    assert_eq!(job["error"]["platform_code"], 40003);
    assert_eq!(job["result"], Value::Null);
    // That was the end of that submission, not of the code.
    let job = json!({"phone_code": own.phone_code, "openid": own.openid});
    let job = end(world.client(), job).await;
    assert_eq!(job["result"]["phone"]["pure_phone_number"], own.phone, "{job}");
    assert_eq!(job["result"]["openid"], own.openid);
    assert_eq!(job["result"]["unionid"], Value::Null);
}

async fn a_code_works_once_and_only_as_what_it_is(mode: Mode) {
    let config = "[platforms.wechat]\ntimeout_seconds = 0.5\n\
                  [store]\nstatement_timeout_seconds = 1\n";
    let world =
        World::with(mode, WorldOptions { config: config.to_owned(), ..WorldOptions::default() })
            .await;
    let (used, guest) = (tap(&world), world.guest());
    let job = end(world.client(), json!({"phone_code": used.phone_code})).await;
    assert_eq!(job["status"], "succeeded", "{job}");
    // In another job it is spent, and nobody gets the number for it.
    let other = json!({"phone_code": used.phone_code, "metadata": {"table": 12}});
    let job = end(world.client(), other).await;
    assert_eq!(job["error"]["code"], "code_already_used", "{job}");
    assert_eq!(job["error"]["advice"], "tap_again");
    assert_eq!(job["result"], Value::Null);

    let elsewhere = world.simulator.phone_tap(PhoneTapSpec::new(APP_ELSEWHERE));
    for (wrong, platform_code) in
        [(&guest.code, 40029), (&elsewhere.phone_code, 40013), (&"0".repeat(64), 40029)]
    {
        let job = end(world.client(), json!({"phone_code": wrong})).await;
        assert_eq!(job["error"]["code"], "code_invalid", "{job}");
        assert_eq!(job["error"]["platform_code"], platform_code);
    }
    let job = end(world.client(), json!({"code": guest.phone_code})).await;
    assert_eq!(job["error"]["code"], "code_invalid", "a phone code is no login code: {job}");
    assert_eq!(job["error"]["advice"], "login_again");
}

async fn a_number_is_judged_like_a_decrypted_one(mode: Mode) {
    let config = "[platforms.wechat]\nwatermark_max_age_seconds = 3600\n";
    let world =
        World::with(mode, WorldOptions { config: config.to_owned(), ..WorldOptions::default() })
            .await;
    let here = || PhonePayload::mainland(APP, "13580006666");
    let watermark = |watermark| PhonePayload { watermark, ..here() };
    let stale = Watermark { timestamp: 1_500_000_000, ..Watermark::now(APP) };
    for (code, payload) in [
        ("watermark_mismatch", watermark(Some(Watermark::now(APP_ELSEWHERE)))),
        ("watermark_mismatch", watermark(None)),
        ("watermark_stale", watermark(Some(stale))),
        ("no_phone", PhonePayload { pure_phone_number: "13580006667".to_owned(), ..here() }),
    ] {
        let tap = world.simulator.phone_tap(PhoneTapSpec::new(APP).payload(payload));
        let job = end(world.client(), json!({"phone_code": tap.phone_code})).await;
        assert_eq!(job["error"]["code"], code, "{job}");
        assert_eq!(job["error"]["advice"], "refuse");
    }
}

async fn every_errcode_has_its_failure_and_advice(mode: Mode) {
    // Each has an app of its own: what one makes of an error says nothing of the others.
    let app = |errcode: i64| format!("wx{}", errcode.unsigned_abs());
    let mut config = String::new();
    for (errcode, ..) in ROWS {
        let id = app(*errcode);
        let _ = write!(config, "[[apps]]\nid = '{id}'\nclient = 'orders'\nsecret = 's'\n");
    }
    let world = World::with(mode, WorldOptions { config, ..WorldOptions::default() }).await;
    let redeems = world.simulator.at(Endpoint::Getuserphonenumber);
    let mut jobs = Vec::new();
    for (errcode, times, code, advice) in ROWS {
        let tap = world.simulator.phone_tap(PhoneTapSpec::new(&app(*errcode)));
        let actions = vec![Action::Errcode(*errcode); *times];
        redeems.script_for(&tap.phone_code, actions).unwrap();
        let job = json!({"app_id": tap.app_id, "phone_code": tap.phone_code});
        let job = tokio::spawn(end(world.client(), job));
        jobs.push((*errcode, *times, *code, *advice, tap, job));
    }
    for (errcode, times, code, advice, tap, job) in jobs {
        let job = job.await.unwrap();
        assert_eq!(job["status"], "failed", "{errcode}: {job}");
        let error = &job["error"];
        assert_eq!((&error["code"], &error["advice"]), (&json!(code), &json!(advice)), "{errcode}");
        assert_eq!(error["platform_code"], errcode, "{job}");
        assert!(error["platform_rid"].as_str().is_some_and(|rid| rid.len() > 8), "{job}");
        if times < 9 {
            let calls = world.simulator.redeems_of(&tap.phone_code);
            assert_eq!(calls as usize, times, "calls after {errcode}");
        }
    }
    assert_eq!(world.simulator.token_counts().force_refreshes, 0);
}

async fn a_passing_trouble_is_retried_to_success(mode: Mode) {
    let world = World::start(mode).await;
    let mut jobs = Vec::new();
    for actions in [
        vec![Action::Errcode(-1), Action::Errcode(-1)],
        vec![Action::ResetAfterRead { burn: false }],
        vec![Action::HalfAnswer { burn: false }],
        vec![Action::Html],
        vec![Action::EmptyBody],
        vec![Action::Status(502)],
        vec![Action::Errcode(40001)],
        vec![Action::Errcode(42001), Action::Errcode(-1)],
        vec![Action::Latency(Duration::from_millis(700))],
    ] {
        let tap = tap(&world);
        let redeems = world.simulator.at(Endpoint::Getuserphonenumber);
        redeems.script_for(&tap.phone_code, actions.clone()).unwrap();
        let job = tokio::spawn(end(world.client(), json!({"phone_code": tap.phone_code})));
        jobs.push((actions, tap.phone, job));
    }
    for (actions, phone, job) in jobs {
        let job = job.await.unwrap();
        assert_eq!(job["result"]["phone"]["pure_phone_number"], phone, "{actions:?}: {job}");
    }
}

async fn code_taken_without_an_answer_ends_session_lost(mode: Mode) {
    let config = "[platforms.wechat]\ntimeout_seconds = 0.5\n".to_owned();
    let world = World::with(mode, WorldOptions { config, ..WorldOptions::default() }).await;
    let redeems = world.simulator.at(Endpoint::Getuserphonenumber);
    for action in [
        Action::ResetAfterRead { burn: true },
        Action::HalfAnswer { burn: true },
        Action::Hang { burn: true },
        Action::ErrcodeBurning(-1),
    ] {
        let tap = tap(&world);
        redeems.script_for(&tap.phone_code, [action.clone()]).unwrap();
        let job = end(world.client(), json!({"phone_code": tap.phone_code})).await;
        assert_eq!(job["error"]["code"], "session_lost", "{action:?}: {job}");
        assert_eq!(job["error"]["advice"], "tap_again");
        assert_eq!(world.simulator.redeems_of(&tap.phone_code), 2, "one retry: {action:?}");
    }
}

/// Whatever goes wrong on the way, at trace level.
async fn no_code_token_or_number_reaches_a_log_line(mode: Mode) {
    let config = "[log]\nfilter = 'trace'\n[platforms.wechat]\ntimeout_seconds = 1\n".to_owned();
    let world = World::with(mode, WorldOptions { config, ..WorldOptions::default() }).await;
    let tokens = world.simulator.at(Endpoint::StableToken);
    tokens.script_next([Action::HalfAnswer { burn: false }, Action::Html]).unwrap();
    let mut canaries = Vec::new();
    for action in [
        Action::Normal,
        Action::Errcode(40001),
        Action::Errcode(40029),
        Action::HalfAnswer { burn: true },
        Action::Hang { burn: true },
    ] {
        let tap = tap(&world);
        let redeems = world.simulator.at(Endpoint::Getuserphonenumber);
        redeems.script_for(&tap.phone_code, [action]).unwrap();
        let job = json!({"phone_code": tap.phone_code, "openid": tap.openid});
        end(world.client(), job).await;
        canaries.extend([tap.phone_code, tap.phone, world.simulator.access_token(APP)]);
    }
    assert!(world.simulator.redeem_counts().redeemed > 1, "some came through");
    let logs = world.logs();
    assert!(logs.contains("called the platform"), "it is at trace level");
    for canary in canaries {
        assert!(!logs.contains(&canary), "{canary} stands in a log line");
    }
    for secret in world.config.secrets() {
        assert!(!logs.contains(secret.as_str()), "a secret stands in a log line");
    }
}
