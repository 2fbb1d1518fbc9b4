//! What is erased is gone, and nothing that is under way brings it back.

use std::time::Duration;

use quhao_simulator::{Endpoint, LoginSpec, PhoneTapSpec, User, UserSpec};
use quhao_tests::{
    client::Client,
    config::{APP, Mode},
    in_both_modes,
    wait::{PATIENCE, eventually, within},
    world::{World, WorldOptions, phone_job},
};
use serde_json::{Value, json};

mod command;
mod job;
mod open_data;

in_both_modes!(
    a_person_is_erased_by_openid_or_by_number,
    what_is_under_way_does_not_bring_a_person_back,
    erased_number_stays_erased_despite_a_running_job,
    an_erasure_says_what_is_wrong_with_it,
);

/// Submits and waits for the success; the job's URL and its session's.
async fn succeeded(client: &Client, job: &Value) -> (String, String) {
    let reply = client.submit_and_wait(job, 20).await;
    assert_eq!(reply.text_at("/status"), "succeeded", "{}", reply.text);
    let session = format!("/v1/sessions/{}", reply.text_at("/result/session"));
    (reply.text_at("/url").to_owned(), session)
}

async fn assert_gone(client: &Client, url: &str) {
    let reply = client.get(url).await;
    assert_eq!((reply.status, reply.text_at("/code")), (410, "gone"), "{}", reply.text);
}

async fn erase(client: &Client, whom: Value) -> Value {
    let reply = client.post("/v1/erasures", &whom).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    reply.body
}

async fn a_person_is_erased_by_openid_or_by_number(mode: Mode) {
    let options =
        WorldOptions { config: "[log]\nfilter = 'trace'\n".to_owned(), ..WorldOptions::default() };
    let world = World::with(mode, options).await;
    let client = world.client();
    for by_number in [false, true] {
        let guest = world.guest();
        let whom = if by_number {
            json!({"app_id": APP, "e164": format!("+86{}", guest.phone)})
        } else {
            json!({"openid": guest.openid})
        };
        let first = succeeded(&client, &phone_job(&guest)).await;
        let login = world.simulator.login(&LoginSpec::new(APP).openid(&guest.openid));
        let second = succeeded(&client, &json!({"code": login.code})).await;
        let tap = world.simulator.phone_tap(PhoneTapSpec::new(APP).phone(&guest.phone));
        let bare = succeeded(&client, &json!({"phone_code": tap.phone_code})).await;
        let bystander = succeeded(&client, &phone_job(&world.guest())).await;

        // The bare phone code has no openid: only the number leads to it.
        let jobs = if by_number { 3 } else { 2 };
        assert_eq!(erase(&client, whom.clone()).await, json!({"jobs": jobs, "sessions": 1}));
        assert_eq!(erase(&client, whom).await, json!({"jobs": 0, "sessions": 0}));
        for (url, session) in [&first, &second] {
            assert_gone(&client, url).await;
            assert_eq!(client.get(session).await.status, 404);
        }
        assert_eq!(client.get(&bare.0).await.status, if by_number { 410 } else { 200 });
        assert_eq!(client.get(&bystander.0).await.text_at("/status"), "succeeded");
        assert_eq!(client.get(&bystander.1).await.status, 200);

        // Erased is not banned: who comes again is a guest again.
        let spec = UserSpec {
            openid: Some(guest.openid.clone()),
            phone: Some(guest.phone.clone()),
            ..UserSpec::new(APP)
        };
        let again = world.simulator.user_with(spec).unwrap();
        let (_, session) = succeeded(&client, &phone_job(&again)).await;
        assert_eq!(client.get(&session).await.status, 200);
        assert!(!world.logs().contains(&guest.phone), "a log line has the number");
    }
    assert!(world.logs().contains("erased a person"));
}

/// Submits jobs of one guest whose calls are under way when this returns: their URLs.
async fn under_way(world: &World, guest: &User) -> Vec<String> {
    world.simulator.set_latency(Duration::from_secs(3));
    let before = world.simulator.counts().calls;
    let login = world.simulator.login(&LoginSpec::new(APP).openid(&guest.openid));
    let spec = UserSpec {
        openid: Some(guest.openid.clone()),
        phone: Some(guest.phone.clone()),
        ..UserSpec::new(APP)
    };
    let tapped = world.simulator.user_with(spec).unwrap();
    let mut urls = Vec::new();
    for job in [json!({"code": login.code}), phone_job(&tapped)] {
        let reply = world.client().submit(&job).await;
        assert_eq!(reply.status, 202, "{}", reply.text);
        urls.push(reply.text_at("/url").to_owned());
    }
    eventually("both calls begin", PATIENCE, async || {
        (world.simulator.counts().calls == before + 2).then_some(())
    })
    .await;
    urls
}

async fn what_is_under_way_does_not_bring_a_person_back(mode: Mode) {
    let world = World::start(mode).await;
    let client = world.client();
    for by_number in [false, true] {
        let guest = world.guest();
        world.simulator.clear_script();
        let (url, session) = succeeded(&client, &phone_job(&guest)).await;
        let late = under_way(&world, &guest).await;

        let whom = if by_number {
            json!({"e164": format!("+86{}", guest.phone)})
        } else {
            json!({"openid": guest.openid})
        };
        let erased = erase(&client, whom).await;
        assert_eq!(erased, json!({"jobs": 1, "sessions": 1}), "before the calls end");
        assert_gone(&client, &url).await;
        for url in &late {
            let over = within("the calls end", PATIENCE, async {
                loop {
                    let reply = client.get_with(url, &[("prefer", "wait=10")]).await;
                    if reply.text_at("/status") != "queued" {
                        break reply;
                    }
                }
            })
            .await;
            assert_eq!((over.status, over.text_at("/code")), (410, "gone"), "{}", over.text);
            assert_gone(&client, url).await;
        }
        assert_eq!(client.get(&session).await.status, 404);
    }
}

async fn erased_number_stays_erased_despite_a_running_job(mode: Mode) {
    let world = World::start(mode).await;
    let client = world.client();
    world.simulator.at(Endpoint::Getuserphonenumber).set_latency(Duration::from_secs(3));
    let tap = world.simulator.phone_tap(PhoneTapSpec::new(APP));
    let reply = client.submit(&json!({"phone_code": tap.phone_code})).await;
    assert_eq!(reply.status, 202, "{}", reply.text);
    eventually("the call begins", PATIENCE, async || {
        (world.simulator.redeems_of(&tap.phone_code) == 1).then_some(())
    })
    .await;
    let whom = json!({"e164": format!("+86{}", tap.phone)});
    assert_eq!(erase(&client, whom).await, json!({"jobs": 0, "sessions": 0}));
    let url = reply.text_at("/url");
    let over = client.get_with(url, &[("prefer", "wait=20")]).await;
    assert_eq!((over.status, over.text_at("/code")), (410, "gone"), "{}", over.text);
}

async fn an_erasure_says_what_is_wrong_with_it(mode: Mode) {
    let world = World::start(mode).await;
    let client = world.client();
    let (long, number) = ("o".repeat(129), "+8613580006666");
    let cases = [
        (json!({}), 422, vec!["openid"]),
        (json!({"app_id": APP}), 422, vec!["openid"]),
        (json!({"openid": "o", "e164": number}), 422, vec!["e164"]),
        (json!({"openid": ""}), 422, vec!["openid"]),
        (json!({"openid": long}), 422, vec!["openid"]),
        (json!({"openid": 7}), 422, vec!["openid"]),
        (json!({"e164": "13580006666"}), 422, vec!["e164"]),
        (json!({"e164": "+0135"}), 422, vec!["e164"]),
        (json!({"e164": "+1"}), 422, vec!["e164"]),
        (json!({"e164": "+1234567890123456"}), 422, vec!["e164"]),
        (json!({"e164": "+86 13580006666"}), 422, vec!["e164"]),
        (json!({"e164": number, "phone": 1, "app_id": 2}), 422, vec!["app_id", "phone"]),
        (json!({"e164": number, "app_id": "wx0000000000000000"}), 404, vec!["app_id"]),
    ];
    for (body, status, wanted) in cases {
        let reply = client.post("/v1/erasures", &body).await;
        assert_eq!(reply.status, status, "{body}: {}", reply.text);
        let errors = reply.body["errors"].as_array().expect("errors");
        let mut fields: Vec<_> =
            errors.iter().filter_map(|error| error["field"].as_str()).collect();
        fields.sort_unstable();
        assert_eq!(fields, wanted, "{}", reply.text);
        assert!(!reply.text.contains("1358000"), "{}", reply.text);
    }
}
