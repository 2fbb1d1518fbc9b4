//! A store that tells everything but sessions: jobs that name one wait where they are.

use std::time::Duration;

use quhao_simulator::{LoginSpec, PhonePayload};
use quhao_tests::{
    config::{APP, Mode},
    database::Database,
    wait::{PATIENCE, eventually, within},
    world::{World, WorldOptions},
};
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};

use super::cut_off_worker;

const PHONE: &str = "13580006666";
/// A look-up that is kept waiting ends soon.
const IMPATIENT: &str = "[store]\nstatement_timeout_seconds = 1\n";
/// Longer than a worker keeps what it has fetched from a store that is out of reach.
const LONG: Duration = Duration::from_secs(6);

fn database(world: &World) -> &Database {
    world.database()
}

/// Returns the job of a guest who has a session.
async fn tapped(world: &World) -> Value {
    let login = world.simulator.login(&LoginSpec::new(APP));
    let reply = world.client().submit_and_wait(&json!({"code": login.code}), 20).await;
    assert_eq!(reply.text_at("/status"), "succeeded", "{}", reply.text);
    let payload = PhonePayload::mainland(APP, PHONE).encrypt(&login.session_key).unwrap();
    json!({
        "session": reply.text_at("/result/session"),
        "encrypted_data": payload.encrypted_data, "iv": payload.iv,
    })
}

/// Submits, and gives the URLs.
async fn submitted(world: &World, jobs: &[Value]) -> Vec<String> {
    let mut urls = Vec::new();
    for job in jobs {
        let reply = world.client().submit(job).await;
        assert_eq!(reply.status, 202, "{}", reply.text);
        urls.push(reply.text_at("/url").to_owned());
    }
    urls
}

async fn all_succeed(world: &World, urls: &[String]) {
    for url in urls {
        let job = world.client().wait_until_done(url, PATIENCE).await;
        assert_eq!(job["result"]["phone"]["pure_phone_number"], PHONE, "{job}");
    }
}

/// Returns how many deliveries the worker has received.
async fn deliveries(world: &World) -> u64 {
    world.client().at(&world.workers[0].metrics).metric("quhao_deliveries_total").await
}

/// Keeps everybody from sessions until the transaction ends.
const SHUT: &str = "lock table sessions in access exclusive mode";
/// Whether somebody waits for that.
const AWAITED: &str = "select exists (select from pg_locks \
                       where relation = 'sessions'::regclass and not granted)";

async fn is_awaited(connection: &mut PgConnection) {
    within("a look-up that waits", PATIENCE, async {
        while !sqlx::query_scalar::<_, bool>(AWAITED).fetch_one(&mut *connection).await.unwrap() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

/// More of them than may wait at once: a quarter of the slots.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_with_unreadable_sessions_stay_with_a_worker() {
    let config = format!("[worker]\nconcurrency = 4\n{IMPATIENT}");
    let mut world =
        World::with(Mode::Distributed, WorldOptions { config, ..WorldOptions::default() }).await;
    let mut jobs = Vec::new();
    for _ in 0..3 {
        jobs.push(tapped(&world).await);
    }
    let before = deliveries(&world).await;
    let mut connection = database(&world).connect().await;
    let mut shut = connection.begin().await.unwrap();
    sqlx::query(SHUT).execute(&mut *shut).await.unwrap();
    let urls = submitted(&world, &jobs).await;
    tokio::time::sleep(LONG).await;
    assert_eq!(deliveries(&world).await - before, 3, "none went back to the queue and came again");
    let ready = world.client().at(&world.workers[0].metrics).get("/readyz").await;
    assert_eq!(ready.status, 200, "{}", ready.text);
    shut.rollback().await.unwrap();
    all_succeed(&world, &urls).await;
    assert_eq!(deliveries(&world).await - before, 3);
    world.wait_until_drained().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn worker_cut_off_from_everything_requeues_its_jobs() {
    let config = IMPATIENT.to_owned();
    let options = WorldOptions { workers: 0, config, ..WorldOptions::default() };
    let mut world = World::with(Mode::Distributed, options).await;
    let proxy = cut_off_worker(&mut world).await;
    let jobs = [tapped(&world).await];
    let (mut connection, mut looker) =
        (database(&world).connect().await, database(&world).connect().await);
    let mut shut = connection.begin().await.unwrap();
    sqlx::query(SHUT).execute(&mut *shut).await.unwrap();
    let urls = submitted(&world, &jobs).await;
    is_awaited(&mut looker).await;
    proxy.cut();
    shut.rollback().await.unwrap();
    world.add_worker().await;
    all_succeed(&world, &urls).await;
    let readyz = world.client().at(&world.workers[0].metrics);
    eventually("the one that is cut off says so", PATIENCE, async || {
        (readyz.get("/readyz").await.status == 503).then_some(())
    })
    .await;
    proxy.mend();
    world.wait_until_drained().await;
}
