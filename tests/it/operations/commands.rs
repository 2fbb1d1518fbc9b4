//! What an operator types, what it prints, and how it exits.

use std::{
    ffi::OsStr, fs::Permissions, os::unix::fs::PermissionsExt, path::Path, process::Command,
};

use quhao_common::domain::id::JobId;
use quhao_tests::{
    config::{Backing, Config, Mode},
    process::Process,
    wait::PATIENCE,
    world::{World, phone_job},
};
use tempfile::TempDir;

/// Runs `quhao` to its end: exit code and all that it printed.
async fn quhao(arguments: &[&str], config: Option<&Path>) -> (Option<i32>, String) {
    quhao_with(arguments, config, &[]).await
}

/// Runs `quhao` with further environment variables.
async fn quhao_with(
    arguments: &[&str],
    config: Option<&Path>,
    variables: &[(&str, &str)],
) -> (Option<i32>, String) {
    let mut words: Vec<&OsStr> = arguments.iter().map(AsRef::as_ref).collect();
    if let Some(config) = config {
        words.extend(["--config".as_ref(), config.as_os_str()]);
    }
    let mut process = Process::spawn(&words, variables);
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
async fn every_command_reports_a_wrong_configuration() {
    let config = Config::write(&Backing::new(Mode::Embedded).await, "http://127.0.0.1:1", "");
    let path = config.path();
    let variables = [
        ("QUHAO__QUEUE__URL", "amqp://127.0.0.1:1/%2f"),
        ("QUHAO__STORE__URL", "postgres://u@127.0.0.1:1/quhao?sslmode=hunter2"),
        ("RUST_LOG", "quhao=hunter2"),
    ];
    let commands: [&[&str]; 5] =
        [&["config"], &["producer"], &["worker"], &["serve"], &["migrate", "--check"]];
    for arguments in commands {
        let (status, output) = quhao_with(arguments, Some(&path), &variables).await;
        assert_eq!(status, Some(2), "{arguments:?}: {output}");
        for said in [
            "environment variable QUHAO__STORE__URL: expected a URL whose sslmode is",
            "environment variable RUST_LOG: expected a filter",
        ] {
            assert!(output.contains(said), "{arguments:?}: {output}");
        }
        assert!(!output.contains("hunter2"), "{arguments:?}: {output}");
    }
    let (status, output) = quhao_with(&["demo", "--once"], None, &variables[2..]).await;
    assert_eq!(status, Some(2), "{output}");
    assert!(output.contains("environment variable RUST_LOG: expected a filter"), "{output}");
}

/// The shell makes the file, readable by everybody, before `quhao` runs.
#[test]
fn a_first_configuration_is_its_owner_s_alone() {
    let folder = TempDir::new().unwrap();
    let running = Process::spawn(&["simulator", "--listen", "127.0.0.1:0"], &[]);
    let program = std::fs::read_link(format!("/proc/{}/exe", running.id())).unwrap();
    let status = Command::new("sh")
        .args(["-c", "umask 022 && exec \"$0\" serve > quhao.toml"])
        .arg(program)
        .current_dir(folder.path())
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(2), "it explains, and does not run");
    let file = folder.path().join("quhao.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains("The API key is"), "{text}");
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readable_file_with_secrets_is_reported_at_start() {
    let config = Config::write(&Backing::new(Mode::Embedded).await, "http://127.0.0.1:1", "");
    let path = config.path();
    for (mode, times) in [(0o644, 1), (0o600, 0)] {
        std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let words = ["serve".as_ref(), "--config".as_ref(), path.as_os_str()];
        let mut process = Process::spawn(&words, &[]);
        process.wait_for_log("producer listening", PATIENCE).await;
        let log = process.log();
        let warnings =
            log.lines().filter(|line| line.contains("contains secrets and others can read it"));
        let warnings: Vec<_> = warnings.collect();
        assert_eq!(warnings.len(), times, "{log}");
        assert!(warnings.iter().all(|line| line.contains("quhao.toml")), "{warnings:?}");
        process.terminate();
        assert!(process.wait_exit(PATIENCE).await.success());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operator_sees_a_jobs_state_and_nothing_else() {
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
