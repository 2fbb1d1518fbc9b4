//! A number that was read without being asked for: `expect = "open_data"` over a phone payload.

use quhao_simulator::PhonePayload;

use super::*;

in_both_modes!(a_number_in_open_data_leads_to_its_guest);

fn as_open_data(mut job: Value) -> Value {
    job["expect"] = json!("open_data");
    job
}

/// Returns a job whose data the session of an earlier login opens.
fn tap_of(world: &World, guest: &User, session: &str) -> Value {
    let key = world.simulator.session_key(APP, &guest.openid);
    let sealed = PhonePayload::mainland(APP, &guest.phone).encrypt(&key).unwrap();
    let session = session.rsplit('/').next().unwrap();
    json!({"session": session, "encrypted_data": sealed.encrypted_data, "iv": sealed.iv})
}

async fn a_number_in_open_data_leads_to_its_guest(mode: Mode) {
    let world = World::start(mode).await;
    let client = world.client();
    let (bystander, _) = succeeded(&client, &as_open_data(phone_job(&world.guest()))).await;
    // With the login, or with a session that was stored without a number.
    for at_once in [true, false] {
        let guest = world.guest();
        let (job_url, session) = if at_once {
            succeeded(&client, &as_open_data(phone_job(&guest))).await
        } else {
            let (_, session) = succeeded(&client, &json!({"code": guest.code})).await;
            succeeded(&client, &as_open_data(tap_of(&world, &guest, &session))).await
        };
        let result = client.get(&job_url).await;
        assert_eq!(result.text_at("/result/open_data/phoneNumber"), guest.phone);
        let login = world.simulator.login(&LoginSpec::new(APP).openid(&guest.openid));
        let (later, _) = succeeded(&client, &json!({"code": login.code})).await;

        let jobs = if at_once { 2 } else { 3 };
        let whom = json!({"e164": format!("+86{}", guest.phone)});
        assert_eq!(erase(&client, whom).await, json!({"jobs": jobs, "sessions": 1}));
        assert_gone(&client, &job_url).await;
        assert_gone(&client, &later).await;
        assert_eq!(client.get(&session).await.status, 404);
    }
    // Beside the session as well: the answer that told the number has gone before.
    let guest = world.guest();
    let (job_url, session) = succeeded(&client, &as_open_data(phone_job(&guest))).await;
    assert_eq!(client.delete(&job_url).await.status, 204);
    let whom = json!({"e164": format!("+86{}", guest.phone)});
    assert_eq!(erase(&client, whom).await, json!({"jobs": 0, "sessions": 1}));
    assert_eq!(client.get(&session).await.status, 404);
    assert_eq!(client.get(&bystander).await.text_at("/status"), "succeeded");
}
