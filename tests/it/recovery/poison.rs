//! A job that ends every worker that takes it: it comes to its end alone, and its neighbours
//! come to theirs.

use std::fmt::Write as _;

use quhao_simulator::{Action, User};
use quhao_tests::{
    config::Mode,
    in_both_modes,
    receiver::Receiver,
    wait::{PATIENCE, eventually},
    world::{World, phone_job},
};
use serde_json::Value;

use crate::callbacks::delivery;

mod batch;

in_both_modes!(poison_job_is_dead_lettered_its_neighbours_succeed);

/// After this many crashes a job is over.
const LIMIT: u32 = 5;
/// Crashes after which a job is worked on alone.
const TOGETHER: u32 = 3;

/// The jobs of a test, each with its guest and its URL.
struct Jobs {
    poison: (User, String),
    neighbours: Vec<(User, String)>,
}

/// Returns a guest whose code meets so many hangs, and the job.
fn prepared(world: &World, receiver: &Receiver, hangs: u32) -> (User, Value) {
    let guest = world.guest();
    let hang = Action::Hang { burn: false };
    world.simulator.script_code(&guest.code, vec![hang; hangs as usize]).unwrap();
    let mut job = phone_job(&guest);
    job["callback_url"] = receiver.url("/hooks/poison").into();
    (guest, job)
}

async fn submitted(world: &World, receiver: &Receiver, hangs: u32) -> (User, String) {
    let (guest, job) = prepared(world, receiver, hangs);
    let reply = world.client().submit(&job).await;
    assert_eq!(reply.status, 202, "{}", reply.text);
    (guest, reply.text_at("/url").to_owned())
}

/// Kills the worker and starts another: the test does what the job would do to it.
async fn crash(world: &mut World) {
    world.kill_workers();
    world.restart_workers().await;
}

/// Kills the worker while it has all of the jobs, so that nothing shows which is to blame.
async fn end_together(world: &mut World, jobs: &Jobs) {
    for round in 1..=TOGETHER {
        eventually("all are being worked on", PATIENCE, async || {
            let all = jobs.neighbours.iter().chain([&jobs.poison]);
            let mut calls = all.map(|(guest, _)| world.simulator.calls_of(&guest.code));
            calls.all(|calls| calls >= round).then_some(())
        })
        .await;
        crash(world).await;
    }
}

/// Returns whether a worker runs the job again, alone; false if the job is finished.
async fn is_taken_alone(world: &World, jobs: &Jobs, calls: u32) -> bool {
    let (guest, url) = &jobs.poison;
    let (client, metrics) = (world.client(), world.client().at(&world.worker_metrics()));
    let taken = eventually("it is taken again, or over", PATIENCE, async || {
        if world.simulator.calls_of(&guest.code) > calls {
            return Some(true);
        }
        (client.get(url).await.text_at("/status") == "failed").then_some(false)
    });
    let taken = taken.await;
    if taken {
        let working = metrics.metric("quhao_slots{state=\"working\"}").await;
        assert_eq!(working, 1, "a neighbour is worked on beside it");
    }
    taken
}

async fn poison_job_is_dead_lettered_its_neighbours_succeed(mode: Mode) {
    let receiver = Receiver::start().await;
    let mut options = delivery::options(&receiver, "", "");
    let _ = writeln!(options.config, "[queue]\ndelivery_limit = {LIMIT}");
    let mut world = World::with(mode, options).await;
    let mut neighbours = Vec::new();
    for _ in 0..6 {
        neighbours.push(submitted(&world, &receiver, TOGETHER).await);
    }
    let jobs = Jobs { poison: submitted(&world, &receiver, 100).await, neighbours };
    end_together(&mut world, &jobs).await;

    let mut crashes = TOGETHER;
    while is_taken_alone(&world, &jobs, crashes).await {
        // Whoever is not suspect goes on beside it.
        let fresh = phone_job(&world.guest());
        let fresh = world.client().submit_and_wait(&fresh, 10).await;
        assert_eq!(fresh.text_at("/status"), "succeeded", "{}", fresh.text);
        crash(&mut world).await;
        crashes += 1;
        assert!(crashes <= LIMIT + 1, "it comes again and again");
    }
    assert_eq!(crashes, LIMIT + 1);

    let client = world.client();
    let job = client.wait_until_done(&jobs.poison.1, PATIENCE).await;
    assert_eq!(job["error"]["code"], "dead_lettered", "{job}");
    assert_eq!(job["error"]["advice"], "contact_operator");
    for (guest, url) in &jobs.neighbours {
        let job = client.wait_until_done(url, PATIENCE).await;
        assert_eq!(job["status"], "succeeded", "{job}");
        assert_eq!(world.simulator.exchanges_of(&guest.code), 1);
        assert_eq!(world.simulator.calls_of(&guest.code), TOGETHER + 1, "alone it is done");
    }
    // An event of each final state was sent.
    let requests = receiver.wait_for(jobs.neighbours.len() + 1, PATIENCE).await;
    let failed = requests.iter().filter(|request| request.json()["type"] == "job.failed");
    assert_eq!(failed.count(), 1);
    let recorded = "quhao_dead_letters_total{reason=\"delivery_limit\",result=\"recorded\"}";
    assert_eq!(client.at(&world.worker_metrics()).metric(recorded).await, 1);
    if mode == Mode::Distributed {
        world.wait_until_drained().await;
    }
}
