//! Jobs a second and processor time a job, end to end, everything on this machine: load,
//! simulator without latency, producer, RabbitMQ, worker, Postgres.
//!
//! With the variables that `tests/services` prints:
//!
//! ```sh
//! cargo run --release -p quhao-tests --example measure -- 20000
//! ```
#![expect(clippy::print_stdout, reason = "the figures are its product")]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use quhao_tests::{
    config::{Backing, Mode},
    wait::eventually,
    world::{Knobs, World, phone_job},
};
use serde_json::Value;
use tokio::{sync::Semaphore, task::JoinSet};

/// Requests under way at once.
const CONNECTIONS: usize = 256;
const LIMIT: Duration = Duration::from_mins(5);

#[tokio::main(worker_threads = 2)]
async fn main() {
    let jobs = std::env::args().nth(1).map_or(20_000, |n| n.parse().expect("a number of jobs"));
    let knobs = Knobs {
        config: "[log]\nfilter = 'warn,quhao=info,quhao_worker=info'\n".to_owned(),
        ..Knobs::default()
    };
    let world = World::with(Mode::Distributed, knobs).await;
    let bodies: Vec<Value> = (0..jobs).map(|_| phone_job(&world.guest())).collect();
    let cpu = || {
        let (producer, worker) = (&world.producers[0].process, &world.workers[0].process);
        [producer.cpu_time(), worker.cpu_time()]
    };
    let (before, started) = (cpu(), Instant::now());

    let connections = Arc::new(Semaphore::new(CONNECTIONS));
    let client = world.client();
    let mut submits = JoinSet::new();
    for body in bodies {
        let (client, connections) = (client.clone(), Arc::clone(&connections));
        submits.spawn(async move {
            let _turn = connections.acquire().await.expect("an open semaphore");
            let reply = client.submit(&body).await;
            assert_eq!(reply.status, 202, "{}", reply.text);
        });
    }
    submits.join_all().await;
    let accepted = started.elapsed();

    let Backing::Servers { database, .. } = &world.backing else { unreachable!() };
    let connection = tokio::sync::Mutex::new(database.connect().await);
    eventually("every job in the database", LIMIT, async || {
        let query = sqlx::query_scalar::<_, i64>("select count(*) from jobs where status = 2");
        let done = query.fetch_one(&mut *connection.lock().await).await.expect("a count");
        (usize::try_from(done) == Ok(jobs)).then_some(())
    })
    .await;
    let finished = started.elapsed();
    let used = cpu();

    let rate = |time: Duration| per(time, jobs).recip();
    println!("jobs              {jobs}");
    println!("accepted          {:.0} jobs/s", rate(accepted));
    println!("end to end        {:.0} jobs/s", rate(finished));
    for (role, at) in [("producer", 0), ("worker", 1)] {
        println!(
            "{role:<9} cpu     {:.0} µs/job",
            per(used[at].saturating_sub(before[at]), jobs) * 1e6
        );
    }
    let resident = [&world.producers[0].process, &world.workers[0].process]
        .map(|process| process.resident_bytes() / (1 << 20));
    println!("resident          producer {} MiB, worker {} MiB", resident[0], resident[1]);
    let metrics = client.at(&world.workers[0].metrics).get("/metrics").await.text;
    for figure in ["quhao_commit_seconds", "quhao_commit_jobs", "quhao_queued_seconds"] {
        for line in metrics.lines().filter(|line| line.starts_with(figure)) {
            println!("{line}");
        }
    }
    println!("exchanges         {}", world.simulator.counts().exchanges);
}

fn per(time: Duration, jobs: usize) -> f64 {
    time.as_secs_f64() / f64::from(u32::try_from(jobs).expect("a reasonable number"))
}
