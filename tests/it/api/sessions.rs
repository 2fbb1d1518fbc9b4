//! The handle of a session: where it comes from, what it is good for, and when it ends.

use quhao_simulator::{LoginSpec, PhonePayload, UserSpec};
use quhao_tests::{
    config::{APP, APP_ELSEWHERE, Mode},
    in_both_modes,
    world::{World, phone_job},
};
use serde_json::json;

in_both_modes!(
    session_handle_works_until_the_session_is_erased,
    foreign_and_forged_session_handles_are_rejected,
);

async fn session_handle_works_until_the_session_is_erased(mode: Mode) {
    let world = World::start(mode).await;
    let client = world.client();
    let login = world.simulator.login(&LoginSpec::new(APP).unionid("u-1"));
    let reply = client.submit_and_wait(&json!({"code": login.code}), 20).await;
    let session = reply.text_at("/result/session").to_owned();
    let path = format!("/v1/sessions/{session}");

    let look = client.get(&path).await;
    assert_eq!(look.status, 200, "{}", look.text);
    let refreshed_at = look.text_at("/refreshed_at").to_owned();
    assert_eq!(
        look.body,
        json!({"session": session, "app_id": APP, "openid": login.openid, "unionid": "u-1",
            "refreshed_at": refreshed_at})
    );
    assert!(refreshed_at.as_str() >= reply.text_at("/created_at"), "{refreshed_at}");

    // Another login refreshes it; the handle stays the same.
    let again = world.simulator.login(&LoginSpec::new(APP).openid(&login.openid).unionid("u-1"));
    let reply = client.submit_and_wait(&json!({"code": again.code}), 20).await;
    assert_eq!(reply.text_at("/result/session"), session, "{}", reply.text);
    let look = client.get(&path).await;
    assert!(look.text_at("/refreshed_at") > refreshed_at.as_str(), "{}", look.text);

    let tapped = PhonePayload::mainland(APP, "13580006666").encrypt(&again.session_key).unwrap();
    let job = json!({
        "session": session, "encrypted_data": tapped.encrypted_data, "iv": tapped.iv,
    });
    let reply = client.submit_and_wait(&job, 20).await;
    assert_eq!(reply.text_at("/result/phone/e164"), "+8613580006666", "{}", reply.text);

    let erased = client.post("/v1/erasures", &json!({"openid": login.openid})).await;
    assert_eq!((erased.status, &erased.body["sessions"]), (200, &json!(1)), "{}", erased.text);
    let look = client.get(&path).await;
    assert_eq!((look.status, look.text_at("/code")), (404, "not_found"), "{}", look.text);
    let tapped = PhonePayload::mainland(APP, "13580006666").encrypt(&again.session_key).unwrap();
    let job = json!({
        "session": session, "encrypted_data": tapped.encrypted_data, "iv": tapped.iv,
    });
    let reply = client.submit_and_wait(&job, 20).await;
    assert_eq!(reply.text_at("/error/code"), "session_unknown", "{}", reply.text);
    assert_eq!(reply.text_at("/error/advice"), "login_then_tap");
}

async fn foreign_and_forged_session_handles_are_rejected(mode: Mode) {
    let world = World::start(mode).await;
    let (owner, other) = (world.client(), world.client_elsewhere());
    let guest = world.guest();
    let reply = owner.submit_and_wait(&phone_job(&guest), 20).await;
    let session = reply.text_at("/result/session").to_owned();
    let id = reply.text_at("/id").to_owned();
    let last = if session.ends_with('0') { "1" } else { "0" };
    let changed = format!("{}{last}", &session[..session.len() - 1]);

    let unknown = owner.get(&format!("/v1/sessions/ses_{}", "0".repeat(40))).await;
    let made_up = [
        changed.clone(),
        session[..31].to_owned(),
        session.to_uppercase(),
        id.replacen("job_", "ses_", 1),
        id.clone(),
        "%20".to_owned(),
        "%FF".to_owned(),
    ];
    for text in made_up {
        let reply = owner.get(&format!("/v1/sessions/{text}")).await;
        assert_eq!((reply.status, &reply.body), (404, &unknown.body), "{text}");
    }
    let foreign = other.get(&format!("/v1/sessions/{session}")).await;
    assert_eq!((foreign.status, &foreign.body), (404, &unknown.body));

    // The same person in another app is another guest there.
    let spec = UserSpec { openid: Some(guest.openid.clone()), ..UserSpec::new(APP_ELSEWHERE) };
    let there = world.simulator.user_with(spec).unwrap();
    let reply = other.submit_and_wait(&phone_job(&there), 20).await;
    let theirs = reply.text_at("/result/session").to_owned();
    assert_ne!(theirs, session);

    for (client, handle) in
        [(&owner, &theirs), (&owner, &changed), (&other, &session), (&other, &changed)]
    {
        let job = json!({
            "session": handle, "encrypted_data": guest.encrypted_data, "iv": guest.iv,
        });
        let reply = client.submit(&job).await;
        assert_eq!(reply.status, 422, "{}", reply.text);
        assert_eq!(reply.text_at("/errors/0/field"), "session", "{}", reply.text);
        assert_eq!(reply.text_at("/errors/0/code"), "invalid_value", "{}", reply.text);
        assert!(!reply.text.contains(handle.as_str()), "{}", reply.text);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_expired_session_is_none() {
    let world = World::start(Mode::Distributed).await;
    let (client, guest) = (world.client(), world.guest());
    let reply = client.submit_and_wait(&phone_job(&guest), 20).await;
    let session = reply.text_at("/result/session").to_owned();
    assert_eq!(client.get(&format!("/v1/sessions/{session}")).await.status, 200);

    // The shortest that can be configured is an hour.
    let mut connection = world.database().connect().await;
    let aged = "update sessions set purge_at = now() - interval '1 second'";
    sqlx::query(aged).execute(&mut connection).await.unwrap();

    let look = client.get(&format!("/v1/sessions/{session}")).await;
    assert_eq!((look.status, look.text_at("/code")), (404, "not_found"), "{}", look.text);
    let job = json!({
        "session": session, "encrypted_data": guest.encrypted_data, "iv": guest.iv,
    });
    let reply = client.submit_and_wait(&job, 20).await;
    assert_eq!(reply.text_at("/error/code"), "session_unknown", "{}", reply.text);
}
