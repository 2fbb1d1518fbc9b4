//! One client can neither read nor guess anything of another's.

use quhao_tests::{
    config::{APP, APP_ELSEWHERE, Mode},
    in_both_modes,
    world::{World, phone_job},
};
use reqwest::Method;
use serde_json::json;

in_both_modes!(another_client_sees_nothing, without_a_key_there_is_nothing);

async fn another_client_sees_nothing(mode: Mode) {
    let world = World::start(mode).await;
    let (owner, other) = (world.client(), world.client_elsewhere());
    let reply = owner.submit_and_wait(&phone_job(&world.guest()), 20).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    let (url, id) = (reply.text_at("/url").to_owned(), reply.text_at("/id").to_owned());

    let made_up = format!("/v1/jobs/job_{}?expires=1", "0".repeat(40));
    let (foreign, nowhere) = (other.get(&url).await, other.get(&made_up).await);
    assert_eq!((foreign.status, nowhere.status), (404, 404), "{}", foreign.text);
    assert_eq!(foreign.body["code"], "not_found");
    assert_eq!(foreign.body["detail"], nowhere.body["detail"], "the two look the same");
    assert_eq!(other.get(&format!("/v1/jobs/{id}")).await.status, 404);

    let guest = world.guest();
    let foreign = other.submit(&phone_job(&guest)).await;
    let mut unknown = phone_job(&guest);
    unknown["app_id"] = json!("wx0000000000000000");
    let unknown = other.submit(&unknown).await;
    assert_eq!((foreign.status, unknown.status), (404, 404), "{}", foreign.text);
    assert_eq!(foreign.body["detail"], unknown.body["detail"]);
    assert_eq!(world.simulator.calls_of(&guest.code), 0);

    // The same submission by another client for its own app is another job.
    let mut own = phone_job(&guest);
    own["app_id"] = json!(APP_ELSEWHERE);
    let theirs = other.submit(&own).await;
    own["app_id"] = json!(APP);
    let ours = owner.submit(&own).await;
    assert_eq!((theirs.status, ours.status), (202, 202));
    assert_ne!(theirs.body["id"], ours.body["id"]);
}

async fn without_a_key_there_is_nothing(mode: Mode) {
    let world = World::start(mode).await;
    let client = world.client();
    let mut cut = world.config.api_key.clone();
    cut.pop();
    for key in [None, Some(""), Some("nonsense"), Some(cut.as_str())] {
        let stranger = client.with_key(key);
        for (method, path) in [(Method::POST, "/v1/jobs"), (Method::GET, "/v1/jobs/job_1")] {
            let headers = [("content-type", "application/json")];
            let reply =
                stranger.request(method, path, &headers, Some("{}".to_owned())).await.unwrap();
            assert_eq!(reply.status, 401, "{path}: {}", reply.text);
            assert_eq!(reply.header("www-authenticate"), "Bearer");
            assert_eq!(reply.header("content-type"), "application/problem+json");
        }
    }
    for path in ["/livez", "/readyz", "/openapi.json"] {
        assert_eq!(client.with_key(None).get(path).await.status, 200, "{path}");
    }
}
