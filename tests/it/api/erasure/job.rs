//! `DELETE /v1/jobs/{id}`: finished, queued, under way, unknown.

use base64::{Engine, engine::general_purpose::STANDARD};
use quhao_common::{
    crypto::keyring::{Keyring, Secret32},
    domain::{app::AppId, client::ClientName, id::IdKeys},
};

use super::*;

in_both_modes!(
    a_finished_job_is_gone_and_stays_gone,
    erasing_a_running_job_answers_its_waiters_gone,
    a_job_that_never_was_is_kept_out,
    only_ids_of_the_client_can_be_erased,
);

async fn delete(client: &Client, path: &str) {
    let reply = client.delete(path).await;
    assert_eq!((reply.status, reply.text.as_str()), (204, ""), "{path}");
}

async fn a_finished_job_is_gone_and_stays_gone(mode: Mode) {
    let world = World::start(mode).await;
    let (client, guest) = (world.client(), world.guest());
    let job = phone_job(&guest);
    let (url, _) = succeeded(&client, &job).await;
    delete(&client, &url).await;
    delete(&client, &url).await;
    assert_gone(&client, &url).await;
    assert_gone(&client, url.split('?').next().unwrap()).await;

    // The same submission is the same job: it is taken, and it is gone.
    let again = client.submit(&job).await;
    assert_eq!(again.status, 202, "{}", again.text);
    let waited = client.submit_and_wait(&job, 20).await;
    assert_eq!((waited.status, waited.text_at("/code")), (410, "gone"), "{}", waited.text);
    assert_gone(&client, again.text_at("/url")).await;
    assert_eq!(world.simulator.calls_of(&guest.code), 1);

    // A new Idempotency-Key makes it another job; the session is still there.
    let headers = [("idempotency-key", "once-more"), ("prefer", "wait=20")];
    let other = client.submit_with(&job, &headers).await;
    assert_eq!(other.text_at("/status"), "succeeded", "{}", other.text);
}

async fn erasing_a_running_job_answers_its_waiters_gone(mode: Mode) {
    let world = World::start(mode).await;
    world.simulator.set_latency(Duration::from_secs(4));
    let (client, guest) = (world.client(), world.guest());
    let reply = client.submit(&phone_job(&guest)).await;
    assert_eq!(reply.status, 202, "{}", reply.text);
    let url = reply.text_at("/url").to_owned();
    eventually("the call begins", PATIENCE, async || {
        (world.simulator.calls_of(&guest.code) == 1).then_some(())
    })
    .await;
    let waiting = tokio::spawn({
        let (client, url) = (client.clone(), url.clone());
        async move { client.get_with(&url, &[("prefer", "wait=30")]).await }
    });
    let waiters = client.at(&world.producers[0].metrics);
    eventually("somebody waits", PATIENCE, async || {
        (waiters.metric("quhao_waiters").await == 1).then_some(())
    })
    .await;
    delete(&client, &url).await;
    let reply = within("the waiting request is answered", PATIENCE, waiting).await.unwrap();
    assert_eq!((reply.status, reply.text_at("/code")), (410, "gone"), "{}", reply.text);
    // The outcome comes after the erasure, and changes nothing.
    eventually("the call ends", PATIENCE, async || {
        (world.simulator.exchanges_of(&guest.code) == 1).then_some(())
    })
    .await;
    let worker = client.at(&world.worker_metrics());
    eventually("its outcome is committed", PATIENCE, async || {
        (worker.metric("quhao_commit_jobs_count").await == 1).then_some(())
    })
    .await;
    assert_gone(&client, &url).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queued_job_is_never_worked_on() {
    let options = WorldOptions { workers: 0, ..WorldOptions::default() };
    let mut world = World::with(Mode::Distributed, options).await;
    let (client, guest) = (world.client(), world.guest());
    let reply = client.submit(&phone_job(&guest)).await;
    let url = reply.text_at("/url").to_owned();
    delete(&client, &url).await;
    assert_gone(&client, &url).await;
    world.add_worker().await;
    let other = client.submit_and_wait(&phone_job(&world.guest()), 20).await;
    assert_eq!(other.text_at("/status"), "succeeded", "{}", other.text);
    world.wait_until_drained().await;
    assert_eq!(world.simulator.calls_of(&guest.code), 0);
    assert_gone(&client, &url).await;
}

/// Returns the id of a job that nobody has submitted: a client could have kept it from a
/// job of long ago.
fn id_of_nothing(world: &World) -> String {
    let secret: [u8; 32] = STANDARD.decode(&world.config.secrets()[2]).unwrap().try_into().unwrap();
    let ids = IdKeys::new(Keyring::new(vec![(1, Secret32::new(secret))]).unwrap());
    let (client, app) = (ClientName::new("orders").unwrap(), AppId::new(APP).unwrap());
    ids.derive(&client, &app, b"never submitted").wire()
}

async fn a_job_that_never_was_is_kept_out(mode: Mode) {
    let world = World::start(mode).await;
    let client = world.client();
    let path = format!("/v1/jobs/{}", id_of_nothing(&world));
    let before = client.get(&path).await;
    assert_eq!(before.text_at("/code"), "no_result", "{}", before.text);
    delete(&client, &path).await;
    assert_gone(&client, &path).await;
    // An `expires` of long ago does not bring it back any earlier.
    delete(&client, &format!("{path}?expires=1")).await;
    assert_gone(&client, &path).await;
}

async fn only_ids_of_the_client_can_be_erased(mode: Mode) {
    let world = World::start(mode).await;
    let (client, other) = (world.client(), world.client_elsewhere());
    let (url, _) = succeeded(&client, &phone_job(&world.guest())).await;
    let made_up = format!("/v1/jobs/job_{}", "0".repeat(40));
    for (who, path) in [(&other, url.as_str()), (&client, &made_up), (&client, "/v1/jobs/x")] {
        let reply = who.delete(path).await;
        assert_eq!((reply.status, reply.text_at("/code")), (404, "not_found"), "{}", reply.text);
    }
    let path = url.split('?').next().unwrap();
    for query in ["expires=soon", "expires=99999999999", "expires=1&expires=1"] {
        let reply = client.delete(&format!("{path}?{query}")).await;
        assert_eq!(reply.status, 422, "{}", reply.text);
        assert_eq!(reply.text_at("/errors/0/field"), "expires");
    }
    assert_eq!(client.get(&url).await.text_at("/status"), "succeeded");
}
