//! The whole product goes on where an earlier build has ended: with its database, its queue,
//! its secrets, and what its clients hold.

use std::{fs, path::PathBuf};

use quhao_tests::{
    broker,
    config::{Backing, Mode},
    in_both_modes, services,
    wait::PATIENCE,
    world::{World, WorldOptions},
};
use serde_json::Value;

use super::{
    file::{array, base64, list, named, read, text},
    product, rows,
    tables::Tables,
};

in_both_modes!(jobs_of_before_are_answered, work_of_before_is_done);

/// Writes the secrets of before for a configuration, in the middle of a rotation.
fn secrets() -> String {
    let secrets = read("secrets.json");
    let newest_first = |kind: &str| {
        let texts = array(&secrets, kind).iter().rev().map(|text| text.as_str().unwrap());
        texts.map(|text| format!("'{text}'")).collect::<Vec<_>>().join(", ")
    };
    format!("[secrets]\nid = [{}]\nseal = [{}]\n", newest_first("id"), newest_first("seal"))
}

fn file(world: &World) -> PathBuf {
    world.config.folder().join("quhao.db")
}

/// Starts the product on a store that an earlier build left. The queue of embedded mode lies in
/// it.
async fn started_on_what_was_left(mode: Mode) -> World {
    let knobs =
        WorldOptions { producers: 0, workers: 0, config: secrets(), ..WorldOptions::default() };
    let mut world = World::with(mode, knobs).await;
    if mode == Mode::Embedded {
        world.kill_workers();
        world.producers.clear();
        for suffix in ["", "-wal", "-shm"] {
            // Not all of them are always there.
            drop(fs::remove_file(format!("{}{suffix}", file(&world).display())));
        }
    }
    let mut tables = Tables::of(&world.backing, &file(&world)).await;
    tables.restore(&rows::of(mode)["tables"]).await;
    tables.close().await;
    product::migrate_server(&world.backing).await;
    match mode {
        Mode::Distributed => {
            world.add_worker().await;
            world.add_producer().await;
        }
        Mode::Embedded => world.restart_embedded().await,
    }
    world
}

/// Takes out of a job what its callback changes all the while.
fn without_callback(mut job: Value) -> Value {
    job.as_object_mut().map(|fields| fields.remove("callback"));
    job
}

async fn jobs_of_before_are_answered(mode: Mode) {
    let world = started_on_what_was_left(mode).await;
    for entry in list("rows.json", "replies") {
        let reply = world.client().get(text(&entry, "path")).await;
        assert_eq!(reply.status, entry["status"], "{entry}: {}", reply.text);
        if reply.status == 200 {
            let expected = without_callback(entry["body"].clone());
            assert_eq!(without_callback(reply.body), expected, "{entry}");
        }
        if reply.status != 404 {
            let foreign = world.client_elsewhere().get(text(&entry, "path")).await;
            assert_eq!(foreign.status, 404, "{entry}");
        }
    }
}

/// Jobs that were queued are worked on, outcomes that were handed over are committed.
async fn work_of_before_is_done(mode: Mode) {
    let world = started_on_what_was_left(mode).await;
    let left = read("rows.json")["left_on_the_queue"].clone();
    if let Backing::Servers { prefix, .. } = &world.backing {
        let [jobs, _, outcomes, _] = prefix.queues();
        let url = services::amqp_url();
        for envelope in product::envelopes(&left, "envelopes") {
            broker::publish(&url, &jobs, &envelope).await;
        }
        for name in array(&left, "outcomes") {
            let entry = named("outcomes.json", "outcomes", name.as_str().unwrap());
            broker::publish(&url, &outcomes, &base64(&entry, "body")).await;
        }
    }
    for entry in array(&left, "ends") {
        if mode == Mode::Embedded && entry["handed_over"] == true {
            continue;
        }
        let job = world.client().wait_until_done(text(entry, "path"), PATIENCE).await;
        for (pointer, expected) in entry["job"].as_object().unwrap() {
            assert_eq!(job.pointer(pointer), Some(expected), "{pointer} of {job}");
        }
    }
}
