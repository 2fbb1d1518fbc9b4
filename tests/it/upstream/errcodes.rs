//! Every error that `jscode2session` can give ends in its failure code and advice.

use std::{fmt::Write, time::Duration};

use quhao_simulator::{Action, LoginSpec};
use quhao_tests::{
    client::Client,
    config::Mode,
    in_both_modes,
    world::{World, WorldOptions, phone_job},
};
use serde_json::{Value, json};

/// The number, how often it is given, the code, and the advice for a login alone and with
/// a ciphertext.
const ROWS: &[(i64, usize, &str, &str, &str)] = &[
    (-1, 3, "platform_unavailable", "try_later", "try_later"),
    (40029, 1, "code_invalid", "login_again", "login_then_tap"),
    (40163, 9, "code_already_used", "login_again", "login_then_tap"),
    (40226, 1, "user_blocked", "refuse", "refuse"),
    (45011, 9, "platform_rate_limited", "try_later", "try_later"),
    (45009, 1, "platform_rate_limited", "try_later", "try_later"),
    (40013, 1, "app_misconfigured", "contact_operator", "contact_operator"),
    (40125, 1, "app_misconfigured", "contact_operator", "contact_operator"),
    (41002, 1, "app_misconfigured", "contact_operator", "contact_operator"),
    (41004, 1, "app_misconfigured", "contact_operator", "contact_operator"),
    (40243, 1, "app_misconfigured", "contact_operator", "contact_operator"),
    (40164, 1, "ip_not_allowed", "contact_operator", "contact_operator"),
    (89503, 1, "ip_not_allowed", "contact_operator", "contact_operator"),
    (89506, 1, "ip_not_allowed", "contact_operator", "contact_operator"),
    (89507, 1, "ip_not_allowed", "contact_operator", "contact_operator"),
    (40001, 1, "app_misconfigured", "contact_operator", "contact_operator"),
    (40014, 1, "app_misconfigured", "contact_operator", "contact_operator"),
    (42001, 1, "app_misconfigured", "contact_operator", "contact_operator"),
    (48001, 1, "app_forbidden", "contact_operator", "contact_operator"),
    (48004, 1, "app_forbidden", "contact_operator", "contact_operator"),
    (61003, 1, "app_forbidden", "contact_operator", "contact_operator"),
    (61007, 1, "app_forbidden", "contact_operator", "contact_operator"),
    (50002, 1, "app_forbidden", "contact_operator", "contact_operator"),
    (41008, 1, "platform_unexpected", "contact_operator", "contact_operator"),
    (44002, 1, "platform_unexpected", "contact_operator", "contact_operator"),
    (47001, 1, "platform_unexpected", "contact_operator", "contact_operator"),
    (40097, 1, "platform_unexpected", "contact_operator", "contact_operator"),
    (99999, 1, "platform_unexpected", "contact_operator", "contact_operator"),
];

in_both_modes!(every_errcode_has_its_failure_and_advice, a_passing_trouble_is_retried_to_success);

async fn every_errcode_has_its_failure_and_advice(mode: Mode) {
    // Each has an app of its own: what one makes of an error says nothing of the others.
    let app = |errcode: i64, shape: &str| format!("wx{}{shape}", errcode.unsigned_abs());
    let mut config = String::new();
    for (errcode, ..) in ROWS {
        for id in [app(*errcode, "alone"), app(*errcode, "with")] {
            let _ = write!(config, "[[apps]]\nid = '{id}'\nclient = 'orders'\nsecret = 's'\n");
        }
    }
    let world = World::with(mode, WorldOptions { config, ..WorldOptions::default() }).await;
    let mut jobs = Vec::new();
    for (errcode, times, code, advice_alone, advice_with) in ROWS {
        let guest = world.simulator.user(&app(*errcode, "with"));
        let login = world.simulator.login(&LoginSpec::new(&app(*errcode, "alone")));
        for used in [&guest.code, &login.code] {
            world.simulator.script_code(used, vec![Action::Errcode(*errcode); *times]).unwrap();
        }
        let alone = json!({"app_id": app(*errcode, "alone"), "code": login.code});
        let alone = submit(world.client(), alone);
        jobs.push((*errcode, *code, *advice_alone, alone));
        let with = submit(world.client(), phone_job(&guest));
        jobs.push((*errcode, *code, *advice_with, with));
    }
    for (errcode, code, advice, job) in jobs {
        let job = job.await.unwrap();
        assert_eq!(job["status"], "failed", "{errcode}: {job}");
        assert_eq!(job["result"], Value::Null, "{errcode}");
        let error = &job["error"];
        assert_eq!((&error["code"], &error["advice"]), (&json!(code), &json!(advice)), "{errcode}");
        assert_eq!(error["platform_code"], errcode, "{job}");
        assert!(error["platform_rid"].as_str().is_some_and(|rid| rid.len() > 8), "{job}");
        assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{job}");
    }
}

async fn a_passing_trouble_is_retried_to_success(mode: Mode) {
    let world = World::start(mode).await;
    let troubles = [
        vec![Action::Errcode(-1), Action::Errcode(-1)],
        vec![Action::ResetAfterRead { burn: false }],
        vec![Action::HalfAnswer { burn: false }],
        vec![Action::Html],
        vec![Action::EmptyBody],
        vec![Action::Status(502)],
        vec![Action::Latency(Duration::from_millis(700))],
    ];
    let mut jobs = Vec::new();
    for actions in troubles {
        let guest = world.guest();
        world.simulator.script_code(&guest.code, actions.clone()).unwrap();
        jobs.push((actions, guest.phone.clone(), submit(world.client(), phone_job(&guest))));
    }
    for (actions, phone, job) in jobs {
        let job = job.await.unwrap();
        assert_eq!(job["result"]["phone"]["pure_phone_number"], phone, "{actions:?}: {job}");
    }
}

/// Submits `job` with a deadline that bounds the waits, and gives its end.
fn submit(client: Client, mut job: Value) -> tokio::task::JoinHandle<Value> {
    job["deadline_seconds"] = json!(6);
    tokio::spawn(async move {
        let reply = client.submit(&job).await;
        assert_eq!(reply.status, 202, "{}", reply.text);
        client.wait_until_done(reply.text_at("/url"), Duration::from_secs(40)).await
    })
}
