//! One client can neither read nor change nor guess anything of another's.

use quhao_simulator::User;
use quhao_tests::{
    client::{Client, Reply},
    config::{APP, APP_ELSEWHERE, Mode},
    in_both_modes,
    world::{World, phone_job},
};
use reqwest::Method;
use serde_json::{Value, json};

in_both_modes!(
    no_route_lets_a_client_at_what_is_anothers,
    without_a_key_there_is_nothing,
    the_same_submission_of_two_clients_is_two_jobs,
);

/// What the client `orders` has.
struct Owned {
    guest: User,
    url: String,
    id: String,
    session: String,
}

impl Owned {
    async fn new(world: &World) -> Self {
        let guest = world.guest();
        let reply = world.client().submit_and_wait(&phone_job(&guest), 20).await;
        assert_eq!(reply.text_at("/status"), "succeeded", "{}", reply.text);
        let [url, id, session] = ["/url", "/id", "/result/session"].map(|at| reply.text_at(at));
        let [url, id, session] = [url, id, session].map(str::to_owned);
        Self { guest, url, id, session }
    }

    /// Asserts that no other client has read or changed it.
    async fn assert_untouched(&self, world: &World) {
        let client = world.client();
        let job = client.get(&self.url).await;
        assert_eq!(job.text_at("/result/openid"), self.guest.openid, "{}", job.text);
        let session = client.get(&format!("/v1/sessions/{}", self.session)).await;
        assert_eq!(session.text_at("/openid"), self.guest.openid, "{}", session.text);
    }

    fn assert_untold(&self, reply: &Reply) {
        let User { phone, openid, unionid, code, .. } = &self.guest;
        for canary in [phone, openid, unionid, code, &self.session] {
            assert!(!reply.text.contains(canary.as_str()), "{}", reply.text);
        }
    }
}

/// Returns every operation that the API describes, as `GET /path`.
async fn operations(client: &Client) -> Vec<(String, Value)> {
    let described = client.get("/openapi.json").await;
    let paths = described.body["paths"].as_object().expect("paths").clone();
    let mut all = Vec::new();
    for (path, item) in paths {
        for (method, operation) in item.as_object().expect("operations") {
            all.push((format!("{} {path}", method.to_uppercase()), operation.clone()));
        }
    }
    assert!(all.len() >= 9, "{all:?}");
    all
}

/// Asserts that two replies are equal, but for the ids that name them in logs.
fn assert_same(one: &Reply, other: &Reply) {
    assert_eq!((one.status, &one.body), (other.status, &other.body));
}

async fn no_route_lets_a_client_at_what_is_anothers(mode: Mode) {
    let world = World::start(mode).await;
    let (other, owned) = (world.client_elsewhere(), Owned::new(&world).await);
    for (operation, _) in operations(&other).await {
        match operation.as_str() {
            "POST /v1/jobs" => submitting_is_for_ones_own_apps(&world, &owned).await,
            "GET /v1/jobs/{id}" => ids_of_others_are_none(&other, Method::GET, &owned).await,
            "DELETE /v1/jobs/{id}" => ids_of_others_are_none(&other, Method::DELETE, &owned).await,
            "GET /v1/sessions/{session}" => {
                let foreign = other.get(&format!("/v1/sessions/{}", owned.session)).await;
                let nothing = other.get(&format!("/v1/sessions/ses_{}", "0".repeat(40))).await;
                assert_eq!(foreign.status, 404, "{}", foreign.text);
                assert_same(&foreign, &nothing);
            }
            "POST /v1/erasures" => erasing_is_for_ones_own_apps(&other, &owned).await,
            "GET /livez" | "GET /readyz" | "GET /openapi.json" | "GET /docs" => {
                let path = operation.split(' ').nth(1).expect("a path");
                owned.assert_untold(&other.get(path).await);
            }
            new => panic!("{new}: say here what keeps clients apart"),
        }
        owned.assert_untouched(&world).await;
    }
}

async fn ids_of_others_are_none(other: &Client, method: Method, owned: &Owned) {
    let ask = async |path: &str| -> Reply {
        other.request(method.clone(), path, &[], None).await.unwrap()
    };
    let nothing = ask(&format!("/v1/jobs/job_{}?expires=1", "0".repeat(40))).await;
    assert_eq!((nothing.status, nothing.text_at("/code")), (404, "not_found"));
    let id = &owned.id;
    let last = if id.ends_with('0') { "1" } else { "0" };
    for path in [
        owned.url.clone(),
        format!("/v1/jobs/{id}"),
        format!("/v1/jobs/{}{last}", &id[..id.len() - 1]),
        format!("/v1/jobs/{}", &id[..32]),
        format!("/v1/jobs/{}", owned.session.replacen("ses_", "job_", 1)),
    ] {
        let foreign = ask(&path).await;
        assert_same(&foreign, &nothing);
        owned.assert_untold(&foreign);
    }
}

async fn submitting_is_for_ones_own_apps(world: &World, owned: &Owned) {
    let (other, guest) = (world.client_elsewhere(), world.guest());
    let foreign = other.submit(&phone_job(&guest)).await;
    let mut unknown = phone_job(&guest);
    unknown["app_id"] = json!("wx0000000000000000");
    let unknown = other.submit(&unknown).await;
    assert_eq!(foreign.status, 404, "{}", foreign.text);
    assert_same(&foreign, &unknown);
    assert_eq!(world.simulator.calls_of(&guest.code), 0);

    // The handle of another's session decrypts nothing, whatever app it is tried with.
    let User { encrypted_data, iv, .. } = &owned.guest;
    for (app, status) in [(APP_ELSEWHERE, 422), (APP, 422)] {
        let job = json!({
            "app_id": app, "session": owned.session, "encrypted_data": encrypted_data, "iv": iv,
        });
        let reply = other.submit(&job).await;
        assert_eq!(reply.status, status, "{}", reply.text);
        assert!(reply.text.contains("\"session\""), "{}", reply.text);
        owned.assert_untold(&reply);
    }
}

async fn erasing_is_for_ones_own_apps(other: &Client, owned: &Owned) {
    let User { openid, phone, .. } = &owned.guest;
    for whom in [("openid", openid.clone()), ("e164", format!("+86{phone}"))] {
        let erase = async |app: &str| -> Reply {
            let mut body = json!({"app_id": app});
            body[whom.0] = json!(whom.1);
            other.post("/v1/erasures", &body).await
        };
        let foreign = erase(APP).await;
        assert_eq!((foreign.status, foreign.text_at("/code")), (404, "not_found"));
        assert_same(&foreign, &erase("wx0000000000000000").await);
        // In one's own app there is no such person, or another one.
        let own = erase(APP_ELSEWHERE).await;
        assert_eq!(own.body, json!({"jobs": 0, "sessions": 0}), "{}", own.text);
    }
}

async fn without_a_key_there_is_nothing(mode: Mode) {
    let world = World::start(mode).await;
    let (client, owned) = (world.client(), Owned::new(&world).await);
    let mut cut = world.config.api_key.clone();
    cut.pop();
    for (operation, described) in operations(&client).await {
        let (method, path) = operation.split_once(' ').expect("a method");
        let method: Method = method.parse().unwrap();
        let path = path.replace("{id}", &owned.id).replace("{session}", &owned.session);
        assert!(!path.contains('{'), "{path}: say here what to put in");
        let needs_key = described.get("security").is_some();
        assert_eq!(needs_key, path.starts_with("/v1/"), "{operation}");
        for key in [None, Some(""), Some("nonsense"), Some(cut.as_str())] {
            let stranger = client.with_key(key);
            let headers = [("content-type", "application/json")];
            let reply =
                stranger.request(method.clone(), &path, &headers, Some("{}".to_owned())).await;
            let reply = reply.unwrap();
            owned.assert_untold(&reply);
            if needs_key {
                assert_eq!(reply.status, 401, "{operation}: {}", reply.text);
                assert_eq!(reply.header("www-authenticate"), "Bearer");
                assert_eq!(reply.header("content-type"), "application/problem+json");
            } else {
                assert_eq!(reply.status, 200, "{operation}: {}", reply.text);
            }
        }
    }
    owned.assert_untouched(&world).await;
}

async fn the_same_submission_of_two_clients_is_two_jobs(mode: Mode) {
    let world = World::start(mode).await;
    let mut job = phone_job(&world.guest());
    job["app_id"] = json!(APP_ELSEWHERE);
    let theirs = world.client_elsewhere().submit(&job).await;
    job["app_id"] = json!(APP);
    let ours = world.client().submit(&job).await;
    assert_eq!((theirs.status, ours.status), (202, 202));
    assert_ne!(theirs.body["id"], ours.body["id"]);
}
