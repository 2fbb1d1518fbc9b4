//! What an operator types, what it prints, and how it exits.

use std::{ffi::OsStr, path::Path};

use quhao_common::id::JobId;
use quhao_tests::{
    config::{Backing, Config, Mode},
    process::Process,
    wait::PATIENCE,
    world::{World, phone_job},
};

/// Runs `quhao` to its end: exit code and all that it printed.
async fn quhao(arguments: &[&str], config: Option<&Path>) -> (Option<i32>, String) {
    let mut words: Vec<&OsStr> = arguments.iter().map(AsRef::as_ref).collect();
    if let Some(config) = config {
        words.extend(["--config".as_ref(), config.as_os_str()]);
    }
    let mut process = Process::spawn(&words, &[]);
    let status = process.wait_exit(PATIENCE).await;
    // The pipes are read to their end only when the process is gone.
    let log = quhao_tests::wait::eventually("its whole output", PATIENCE, || {
        let log = process.log();
        async { (!log.is_empty()).then_some(log) }
    })
    .await;
    (status.code(), log)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_without_a_store_say_what_they_should() {
    let backing = Backing::new(Mode::Embedded).await;
    let config = Config::write(&backing, "http://127.0.0.1:1", "");
    let path = config.path();
    let cases: [(&[&str], Option<&Path>, i32, &str); 10] = [
        (&["--help"], None, 0, "Usage: quhao"),
        (&["nonsense"], None, 2, "unrecognized subcommand"),
        (&["serve"], None, 2, "nothing is configured yet"),
        (&["config", "--defaults"], None, 0, "drain_seconds = 20"),
        (&["config"], Some(&path), 0, "(set)"),
        (&["worker"], Some(&path), 2, "SQLite"),
        (&["producer"], Some(&path), 2, "SQLite"),
        (&["job", "nonsense"], Some(&path), 2, "not a job's id"),
        (&["migrate", "--check"], Some(&path), 1, "pending"),
        (&["demo", "--once", "--jobs", "3"], None, 0, "every job has the right number"),
    ];
    for (arguments, config_file, code, text) in cases {
        let (status, output) = quhao(arguments, config_file).await;
        assert_eq!(status, Some(code), "{arguments:?}: {output}");
        assert!(output.contains(text), "{arguments:?}: {output}");
        for secret in config.secrets() {
            assert!(!output.contains(secret), "{arguments:?} prints a secret");
        }
    }
    assert!(!config.folder().join("quhao.db").exists(), "a look makes no file");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_sees_where_a_job_stands_and_nothing_else() {
    let world = World::start(Mode::Distributed).await;
    let guest = world.guest();
    let reply = world.client().submit_and_wait(&phone_job(&guest), 20).await;
    let id = reply.text_at("/id").to_owned();
    let as_logged = JobId::parse_unverified(&id).unwrap().to_string();
    let path = world.config.path();
    let mut unknown = id.clone().into_bytes();
    unknown[10] = if unknown[10] == b'0' { b'1' } else { b'0' };
    let unknown = String::from_utf8(unknown).unwrap();
    for (id, code, text) in [
        (id.as_str(), 0, "succeeded"),
        (&as_logged, 0, "succeeded"),
        (&unknown, 1, "not made for any app"),
    ] {
        let (status, output) = quhao(&["job", id], Some(&path)).await;
        assert_eq!(status, Some(code), "{output}");
        assert!(output.contains(text), "{output}");
        for canary in [&guest.phone, &guest.openid, &guest.code] {
            assert!(!output.contains(canary.as_str()), "{output}");
        }
    }
    let (status, output) = quhao(&["migrate", "--check"], Some(&path)).await;
    assert_eq!(status, Some(0), "{output}");
}
