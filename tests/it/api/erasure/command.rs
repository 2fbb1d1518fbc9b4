//! `quhao erase`: everything of one app.

use std::path::Path;

use quhao_tests::{config::APP_ELSEWHERE, process::Process};

use super::*;

in_both_modes!(an_operator_erases_an_app_and_no_other);

async fn quhao_erase(config: &Path, words: &[&str]) -> (Option<i32>, String) {
    let mut all = vec!["erase".as_ref(), "--config".as_ref(), config.as_os_str()];
    all.extend(words.iter().map(AsRef::<std::ffi::OsStr>::as_ref));
    let mut process = Process::spawn(&all, &[]);
    let status = process.wait_exit(PATIENCE).await;
    let said = eventually("what it says", PATIENCE, || {
        let said = process.log();
        async { (!said.is_empty()).then_some(said) }
    })
    .await;
    (status.code(), said)
}

async fn an_operator_erases_an_app_and_no_other(mode: Mode) {
    let mut world = World::start(mode).await;
    let mut urls = Vec::new();
    let mut sessions = Vec::new();
    for _ in 0..3 {
        let (url, session) = succeeded(&world.client(), &phone_job(&world.guest())).await;
        urls.push(url);
        sessions.push(session);
    }
    let theirs = phone_job(&world.simulator.user(APP_ELSEWHERE));
    let (their_url, their_session) = succeeded(&world.client_elsewhere(), &theirs).await;
    if mode == Mode::Embedded {
        // The file belongs to one process.
        let (code, said) = quhao_erase(&world.config.path(), &["--app", APP, "--yes"]).await;
        assert_eq!(code, Some(1), "{said}");
        let serving = &mut world.producers[0].process;
        serving.terminate();
        assert!(serving.wait_exit(PATIENCE).await.success());
    }

    let path = world.config.path();
    let (code, said) = quhao_erase(&path, &["--app", APP]).await;
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("--yes"), "{said}");
    let (code, said) = quhao_erase(&path, &["--app", "取号", "--yes"]).await;
    assert_eq!(code, Some(2), "{said}");
    let (code, said) = quhao_erase(&path, &["--app", APP, "--yes"]).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("3 jobs and 3 sessions"), "{said}");
    let (code, said) = quhao_erase(&path, &["--app", APP, "--yes"]).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("0 jobs and 0 sessions"), "{said}");

    if mode == Mode::Embedded {
        world.restart_embedded().await;
    }
    let client = world.client();
    for (url, session) in urls.iter().zip(&sessions) {
        assert_gone(&client, url).await;
        assert_eq!(client.get(session).await.status, 404);
    }
    let other = world.client_elsewhere();
    assert_eq!(other.get(&their_url).await.text_at("/status"), "succeeded");
    assert_eq!(other.get(&their_session).await.status, 200);
    // The app lives on: new guests are served.
    let (_, session) = succeeded(&client, &phone_job(&world.guest())).await;
    assert_eq!(client.get(&session).await.status, 200);
}
