//! The platform takes a code and says nothing, or is not there at all.

use std::time::Duration;

use quhao_simulator::{Action, LoginSpec, PhonePayload, Watermark};
use quhao_tests::{
    config::{APP, Mode},
    in_both_modes,
    wait::PATIENCE,
    world::{World, WorldOptions, phone_job, with_deadline},
};
use serde_json::{Value, json};

in_both_modes!(
    code_taken_without_an_answer_ends_session_lost,
    a_platform_that_stays_silent_is_unavailable,
    a_platform_that_is_not_there_is_unavailable,
    a_payload_that_does_not_fit_says_why,
);

async fn end(world: &World, job: &Value) -> Value {
    let client = world.client();
    let reply = client.submit(job).await;
    assert_eq!(reply.status, 202, "{}", reply.text);
    client.wait_until_done(reply.text_at("/url"), Duration::from_mins(1)).await
}

async fn code_taken_without_an_answer_ends_session_lost(mode: Mode) {
    let world =
        World::with(mode, WorldOptions::with_config("[platforms.wechat]\ntimeout_seconds = 0.5\n"))
            .await;
    for action in [
        Action::ResetAfterRead { burn: true },
        Action::HalfAnswer { burn: true },
        Action::Hang { burn: true },
        Action::ErrcodeBurning(-1),
    ] {
        let guest = world.guest();
        world.simulator.script_code(&guest.code, [action.clone()]).unwrap();
        let job = end(&world, &with_deadline(phone_job(&guest), 4)).await;
        assert_eq!(job["error"]["code"], "session_lost", "{action:?}: {job}");
        assert_eq!(job["error"]["advice"], "login_then_tap");
        assert_eq!(world.simulator.calls_of(&guest.code), 2, "one retry tells: {action:?}");
    }
}

async fn a_platform_that_stays_silent_is_unavailable(mode: Mode) {
    let world =
        World::with(mode, WorldOptions::with_config("[platforms.wechat]\ntimeout_seconds = 0.5\n"))
            .await;
    let guest = world.guest();
    let hang = Action::Hang { burn: false };
    world.simulator.script_code(&guest.code, vec![hang; 5]).unwrap();
    let job = end(&world, &with_deadline(phone_job(&guest), 20)).await;
    assert_eq!(job["error"]["code"], "platform_unavailable", "{job}");
    assert_eq!(world.simulator.calls_of(&guest.code), 2, "sent and unanswered: one retry");
}

async fn a_platform_that_is_not_there_is_unavailable(mode: Mode) {
    let nowhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let config = format!("[platforms.wechat]\nbase_url = 'http://{nowhere}'\n");
    let world = World::with(mode, WorldOptions::with_config(&config)).await;
    let job = end(&world, &with_deadline(phone_job(&world.guest()), 2)).await;
    assert_eq!(job["error"]["code"], "platform_unavailable", "{job}");
    assert_eq!(job["error"]["advice"], "try_later");
    assert_eq!(job["error"]["platform_code"], Value::Null);
}

async fn a_payload_that_does_not_fit_says_why(mode: Mode) {
    let config = "[platforms.wechat]\nwatermark_max_age_seconds = 3600\n";
    let world = World::with(mode, WorldOptions::with_config(config)).await;
    let number = "13580006666";
    let here = || PhonePayload::mainland(APP, number);
    let stale = Watermark { timestamp: 1_500_000_000, ..Watermark::now(APP) };
    let cases = [
        ("watermark_mismatch", PhonePayload::mainland("wx9999999999999999", number)),
        ("watermark_mismatch", PhonePayload { watermark: None, ..here() }),
        ("watermark_stale", PhonePayload { watermark: Some(stale), ..here() }),
        ("no_phone", PhonePayload { pure_phone_number: "13580006667".to_owned(), ..here() }),
    ];
    for (code, payload) in cases {
        let login = world.simulator.login(&LoginSpec::new(APP));
        let sealed = payload.encrypt(&login.session_key).unwrap();
        let job = json!({
            "code": login.code, "encrypted_data": sealed.encrypted_data, "iv": sealed.iv,
        });
        let job = end(&world, &job).await;
        assert_eq!(job["error"]["code"], code, "{job}");
        assert_eq!(job["error"]["advice"], "refuse");
    }
    // Under another login's key, and no session to help.
    let (guest, other) = (world.guest(), world.simulator.login(&LoginSpec::new(APP)));
    let mut job = phone_job(&guest);
    job["code"] = json!(other.code);
    let job = end(&world, &job).await;
    assert_eq!(job["error"]["code"], "decrypt_failed", "{job}");
    assert_eq!(job["error"]["advice"], "login_then_tap");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_nobody_takes_in_time_reads_as_failed() {
    // Grace is time-out, commit time-out and five seconds.
    let config = "[platforms.wechat]\ntimeout_seconds = 0.5\n\
                  [store]\nstatement_timeout_seconds = 1\n";
    let options = WorldOptions { workers: 0, ..WorldOptions::with_config(config) };
    let mut world = World::with(Mode::Distributed, options).await;
    let (client, guest) = (world.client(), world.guest());
    let reply = client.submit(&with_deadline(phone_job(&guest), 1)).await;
    assert_eq!(reply.status, 202, "{}", reply.text);
    let job = client.wait_until_done(reply.text_at("/url"), PATIENCE).await;
    assert_eq!(job["error"]["code"], "deadline_exceeded", "{job}");
    assert_eq!(job["error"]["advice"], "login_then_tap");
    assert_eq!(job["app_id"], Value::Null, "only the URL is known");

    // A worker that comes late does not call the platform any more.
    world.add_worker().await;
    world.wait_until_drained().await;
    assert_eq!(world.simulator.calls_of(&guest.code), 0);
}
