//! A broker that runs short of memory takes nothing from anybody for a while.

use quhao_tests::{
    broker::{Broker, Shortage},
    config::Mode,
    wait::{PATIENCE, eventually},
    world::{World, WorldOptions, phone_job},
};
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broker_alarm_is_named_and_producers_stay_ready() {
    let broker = Broker::start().await;
    let config = format!("[queue]\nurl = '{}'\nconfirm_timeout_seconds = 1\n", broker.url());
    let world =
        World::with(Mode::Distributed, WorldOptions { config, ..WorldOptions::default() }).await;
    let client = world.client();
    let job = phone_job(&world.guest());
    assert_eq!(client.submit(&job).await.status, 202);
    let readyz = client.get("/readyz").await;
    assert_eq!(readyz.body["queue"], json!({"up": true, "reason": null}), "{}", readyz.text);

    broker.run_short_of(Shortage::Memory).await;
    eventually("submits are refused at once", PATIENCE, async || {
        let reply = client.submit(&job).await;
        (reply.text_at("/code") == "broker_unavailable").then(|| {
            assert_eq!(reply.status, 503, "{}", reply.text);
            assert!(!reply.header("retry-after").is_empty());
        })
    })
    .await;
    let readyz = client.get("/readyz").await;
    assert_eq!((readyz.status, &readyz.body["ready"]), (200, &json!(true)), "{}", readyz.text);
    assert_eq!(readyz.body["queue"]["up"], false, "{}", readyz.text);
    assert!(readyz.text_at("/queue/reason").contains("alarm"), "{}", readyz.text);

    broker.has_enough_of(Shortage::Memory).await;
    eventually("submits are taken again", PATIENCE, async || {
        (client.submit(&job).await.status == 202).then_some(())
    })
    .await;
    assert_eq!(client.get("/readyz").await.body["queue"]["up"], true);
}
