//! `quhao callbacks`: what an operator sees of callbacks, and can do about them.

use std::path::Path;

use quhao_common::domain::id::JobId;
use quhao_tests::{
    config::{APP, APP_ELSEWHERE, Mode},
    in_both_modes,
    process::Process,
    receiver::{Behaviour, Receiver},
    wait::PATIENCE,
    world::World,
};
use serde_json::json;

use super::delivery::{job, options, wait_for_status};

in_both_modes!(operator_lists_callbacks_and_retries_them);

/// Runs `quhao callbacks` to its end: exit code and all that it printed.
async fn callbacks(config: &Path, words: &[&str]) -> (Option<i32>, String) {
    let config = config.to_str().expect("a path of ours");
    let mut arguments = vec!["callbacks"];
    arguments.extend_from_slice(words);
    arguments.extend_from_slice(&["--config", config]);
    let mut process = Process::spawn(&arguments, &[]);
    let status = process.wait_exit(PATIENCE).await;
    (status.code(), process.log())
}

/// Stops the process of embedded mode: the store belongs to one process at a time.
async fn pause(world: &mut World) {
    if world.mode == Mode::Embedded {
        let process = &mut world.producers[0].process;
        process.terminate();
        assert!(process.wait_exit(PATIENCE).await.success());
    }
}

async fn go_on(world: &mut World) {
    if world.mode == Mode::Embedded {
        world.restart_embedded().await;
    }
}

async fn operator_lists_callbacks_and_retries_them(mode: Mode) {
    let receiver = Receiver::start().await;
    receiver.otherwise(Behaviour::Status(410));
    let mut world = World::with(mode, options(&receiver, "", "")).await;
    let path = world.config.path();
    let mut ids = Vec::new();
    for _ in 0..2 {
        let reply = world.client().submit(&job(&world, &receiver)).await;
        wait_for_status(&world.client(), reply.text_at("/url"), "failed").await;
        ids.push((reply.text_at("/id").to_owned(), reply.text_at("/url").to_owned()));
    }
    pause(&mut world).await;

    let logged: Vec<String> =
        ids.iter().map(|(id, _)| JobId::parse_unverified(id).unwrap().to_string()).collect();
    let (code, output) = callbacks(&path, &["list"]).await;
    assert_eq!(code, Some(0), "{output}");
    for words in [logged[0].as_str(), &logged[1], APP, "job.succeeded", "failed", "410", "gone"] {
        assert!(output.contains(words), "{words}: {output}");
    }
    for canary in [ids[0].0.as_str(), "canary-token", "127.0.0.1", &world.config.api_key] {
        assert!(!output.contains(canary), "{canary}: {output}");
    }
    for (words, expected) in [
        (vec!["--state", "failed"], 2),
        (vec!["--state", "due"], 0),
        (vec!["--job", logged[1].as_str()], 1),
        (vec!["--job", ids[1].0.as_str()], 1),
        (vec!["--app", APP, "--limit", "1"], 1),
        (vec!["--app", APP_ELSEWHERE], 0),
    ] {
        let (code, output) = callbacks(&path, &[&["list"], &words[..]].concat()).await;
        assert_eq!(code, Some(0), "{words:?}: {output}");
        assert_eq!(output.matches("job.succeeded").count(), expected, "{words:?}: {output}");
    }
    for (words, expected) in [
        (vec!["list", "--state", "nonsense"], 2),
        (vec!["list", "--job", "nonsense"], 2),
        (vec!["retry"], 2),
        (vec!["retry", "--all"], 2),
        (vec!["retry", "--app", APP_ELSEWHERE], 1),
    ] {
        let (code, output) = callbacks(&path, &words).await;
        assert_eq!(code, Some(expected), "{words:?}: {output}");
    }

    receiver.otherwise(Behaviour::Status(204));
    let (code, output) = callbacks(&path, &["retry", "--job", &logged[0]]).await;
    assert_eq!((code, output.as_str()), (Some(0), "1 due again"));
    let (code, output) = callbacks(&path, &["retry", "--app", APP, "--all"]).await;
    assert_eq!((code, output.as_str()), (Some(0), "1 due again"));
    go_on(&mut world).await;
    for (_, url) in &ids {
        let job = wait_for_status(&world.client(), url, "delivered").await;
        assert_eq!(job["callback"]["attempts"], json!(1), "counted anew: {job}");
    }
    assert_eq!(receiver.received().len(), 4);
    pause(&mut world).await;
    let (code, output) = callbacks(&path, &["retry", "--job", &logged[0]]).await;
    assert_eq!(code, Some(1), "there is nothing to retry: {output}");
}
