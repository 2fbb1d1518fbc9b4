//! What an operator sees: readiness, metrics, draining.

use std::time::Duration;

use quhao_tests::{
    config::Mode,
    in_both_modes,
    wait::{PATIENCE, eventually},
    world::{World, phone_job},
};
use reqwest::Method;

in_both_modes!(
    roles_are_ready_and_count,
    sigterm_finishes_what_was_taken_and_exits_0,
    every_answer_names_its_request,
    the_page_for_people_needs_no_other_host,
);

async fn roles_are_ready_and_count(mode: Mode) {
    let world = World::start(mode).await;
    let client = world.client();
    let reply = client.submit_and_wait(&phone_job(&world.guest()), 20).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    assert_eq!(client.get("/readyz").await.status, 200);

    let producer = client.at(&world.producers[0].metrics);
    assert_eq!(producer.metric("quhao_submits_total{result=\"accepted\"}").await, 1);
    let worker_metrics = world.worker_metrics();
    let worker = client.at(&worker_metrics);
    assert_eq!(worker.get("/readyz").await.status, 200);
    assert_eq!(worker.metric("quhao_jobs_total{outcome=\"succeeded\"}").await, 1);
}

async fn sigterm_finishes_what_was_taken_and_exits_0(mode: Mode) {
    let mut world = World::start(mode).await;
    world.simulator.set_latency(Duration::from_secs(1));
    let client = world.client();
    let guests: Vec<_> = (0..20).map(|_| world.guest()).collect();
    let mut urls = Vec::new();
    for guest in &guests {
        let reply = client.submit(&phone_job(guest)).await;
        assert_eq!(reply.status, 202, "{}", reply.text);
        urls.push(reply.text_at("/url").to_owned());
    }
    eventually("every exchange to begin", PATIENCE, async || {
        (world.simulator.counts().calls == 20).then_some(())
    })
    .await;
    let working = match mode {
        Mode::Distributed => &mut world.workers[0].process,
        Mode::Embedded => &mut world.producers[0].process,
    };
    working.terminate();
    let status = working.wait_exit(Duration::from_secs(25)).await;
    assert!(status.success(), "{status}");

    if mode == Mode::Embedded {
        world.restart_embedded().await;
    }
    let client = world.client();
    for url in urls {
        let reply = client.get(&url).await;
        assert_eq!(reply.text_at("/status"), "succeeded", "{}", reply.text);
    }
    assert_eq!(world.simulator.counts().exchanges, 20);
}

async fn every_answer_names_its_request(mode: Mode) {
    let world = World::start(mode).await;
    let client = world.client();
    let cases = [
        (Method::GET, "/livez", 200),
        (Method::GET, "/docs", 200),
        (Method::GET, "/nowhere", 404),
        (Method::PUT, "/v1/jobs", 405),
        (Method::GET, "/v1/jobs/nonsense", 404),
        (Method::DELETE, "/v1/jobs/nonsense", 404),
        (Method::GET, "/v1/sessions/nonsense", 404),
        (Method::DELETE, "/v1/sessions/nonsense", 405),
        (Method::POST, "/v1/erasures", 415),
        (Method::POST, "/v1/jobs", 415),
    ];
    for (method, path, status) in cases {
        let headers = [("x-request-id", "from-the-client")];
        let reply = client.request(method.clone(), path, &headers, None).await.unwrap();
        assert_eq!(reply.status, status, "{method} {path}: {}", reply.text);
        assert_eq!(reply.header("x-request-id"), "from-the-client");
        let reply = client.request(method, path, &[], None).await.unwrap();
        assert!(!reply.header("x-request-id").is_empty(), "{path}");
        if status >= 400 {
            assert_eq!(reply.header("content-type"), "application/problem+json");
            assert_eq!(reply.body["status"], status);
            let code = reply.text_at("/code");
            assert!(!code.is_empty() && reply.text_at("/type").ends_with(code), "{}", reply.text);
        }
    }
}

async fn the_page_for_people_needs_no_other_host(mode: Mode) {
    let world = World::start(mode).await;
    let page = world.client().with_key(None).get("/docs").await;
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
    let policy = page.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    for foreign in ["<script", "src=", "http://", "https://", "@import", "url("] {
        assert!(!page.text.contains(foreign), "{foreign}");
    }
    for route in ["/v1/jobs/{id}", "/v1/sessions/{session}", "/v1/erasures"] {
        assert!(page.text.contains(route), "{route}");
    }
}
