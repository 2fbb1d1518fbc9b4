//! An app that a third-party platform looks after: its token comes from a file or a program.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    time::{Duration, Instant},
};

use quhao_simulator::{Action, Component, Endpoint, LoginSpec, Options, User};
use quhao_tests::{
    config::{APP, Mode},
    in_both_modes,
    wait::{PATIENCE, eventually},
    world::{World, WorldOptions, phone_job},
};
use serde_json::{Value, json};
use tempfile::TempDir;

mod reload;

const MERCHANT: &str = "wx00000000000000c1";
const PROVIDER: &str = "wx00000000000000c0";

in_both_modes!(
    a_rotated_file_is_read_anew,
    a_program_prints_the_token,
    a_file_that_comes_late_is_waited_for,
    a_program_that_hangs_holds_up_nobody_else,
    what_the_platform_refuses_is_said,
);

/// Starts a world with a merchant's app and a provider whose token comes as `source` says.
async fn start(mode: Mode, source: &str, further: &str) -> World {
    let component =
        Component { app_id: PROVIDER.to_owned(), access_token: "component-token-1".to_owned() };
    let config = format!(
        "[platforms.wechat]\ncomponent_appid = '{PROVIDER}'\n{source}\n{further}\n\
         [[apps]]\nid = '{MERCHANT}'\nclient = 'orders'\ncredential = 'component'\n"
    );
    let simulator = Options { component: Some(component), ..Options::default() };
    World::with(mode, WorldOptions { config, simulator, ..WorldOptions::default() }).await
}

fn from_file(path: &Path) -> String {
    format!("component_token_file = '{}'", path.display())
}

/// Puts a token in place as a careful issuer does: at once, and with a line break.
fn issue(path: &Path, token: &str) {
    let new = path.with_extension("new");
    fs::write(&new, format!("{token}\n")).unwrap();
    fs::rename(&new, path).unwrap();
}

async fn end(world: &World, mut job: Value, deadline_seconds: u64) -> Value {
    job["deadline_seconds"] = json!(deadline_seconds);
    let client = world.client();
    let reply = client.submit(&job).await;
    assert_eq!(reply.status, 202, "{}", reply.text);
    client.wait_until_done(reply.text_at("/url"), Duration::from_mins(1)).await
}

async fn succeeds(world: &World) -> User {
    let guest = world.simulator.user(MERCHANT);
    let job = end(world, phone_job(&guest), 60).await;
    assert_eq!(job["result"]["phone"]["pure_phone_number"], guest.phone, "{job}");
    assert_eq!(job["result"]["openid"], guest.openid);
    guest
}

async fn a_rotated_file_is_read_anew(mode: Mode) {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("token");
    issue(&file, "component-token-1");
    let world = start(mode, &from_file(&file), "").await;
    succeeds(&world).await;
    succeeds(&world).await;
    assert_eq!(world.simulator.component_counts().bad_tokens, 0);

    // Rotated while the old one is kept here.
    world.simulator.set_component_token("component-token-2");
    issue(&file, "component-token-2");
    let guest = succeeds(&world).await;
    assert_eq!(world.simulator.calls_of(&guest.code), 2, "one retry");
    let guest = succeeds(&world).await;
    assert_eq!(world.simulator.calls_of(&guest.code), 1);

    // Rotated at the platform, and the file is forgotten: somebody has to mend that.
    world.simulator.set_component_token("component-token-3");
    let guest = world.simulator.user(MERCHANT);
    let job = end(&world, phone_job(&guest), 60).await;
    assert_eq!(job["error"]["code"], "app_misconfigured", "{job}");
    assert_eq!(job["error"]["platform_code"], 42001);
    assert_eq!(world.simulator.calls_of(&guest.code), 2, "one retry");
    // It needs no restart.
    issue(&file, "component-token-3");
    succeeds(&world).await;
    assert_eq!(world.simulator.counts().calls, 0, "the merchant's secret is nobody's here");
    assert!(!world.logs().contains("component-token-"), "{}", world.logs());
}

async fn a_program_prints_the_token(mode: Mode) {
    let folder = TempDir::new().unwrap();
    let (file, program) = (folder.path().join("token"), folder.path().join("print token"));
    issue(&file, "component-token-1");
    // It says more than it should on standard error, and none of our variables is its.
    let script = format!(
        "#!/bin/sh\necho secret-chatter >&2\nenv | grep -q QUHAO_ && exit 1\necho\ncat \"$1\"\n\
         echo run >> '{}'\n",
        folder.path().join("runs").display()
    );
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
    let source =
        format!("component_token_command = ['{}', '{}']", program.display(), file.display());
    let world = start(mode, &source, "").await;
    for _ in 0..5 {
        succeeds(&world).await;
    }
    let runs = || fs::read_to_string(folder.path().join("runs")).unwrap().lines().count();
    assert_eq!(runs(), 1, "the token is kept");
    world.simulator.set_component_token("component-token-2");
    issue(&file, "component-token-2");
    succeeds(&world).await;
    assert_eq!(runs(), 2);
    let logs = world.logs();
    assert!(!logs.contains("component-token-") && !logs.contains("secret-chatter"), "{logs}");
}

async fn a_file_that_comes_late_is_waited_for(mode: Mode) {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("token");
    let world = start(mode, &from_file(&file), "").await;
    let (client, guest) = (world.client(), world.simulator.user(MERCHANT));
    let reply = client.submit(&phone_job(&guest)).await;
    let said = "token not fetched: calls that need it";
    let missed = async || world.logs().contains(said).then_some(());
    eventually("the file is missed", PATIENCE, missed).await;
    for (text, why) in [
        (String::new(), "nothing is there"),
        ("two words".to_owned(), "no token"),
        ("x".repeat(5000), "more than a token"),
    ] {
        fs::write(&file, text).unwrap();
        let waiting = client.get(reply.text_at("/url")).await;
        assert_eq!(waiting.text_at("/status"), "queued", "{why}: {}", waiting.text);
    }
    issue(&file, "component-token-1");
    let job = client.wait_until_done(reply.text_at("/url"), Duration::from_mins(1)).await;
    assert_eq!(job["result"]["phone"]["pure_phone_number"], guest.phone, "{job}");
    assert_eq!(world.simulator.calls_of(&guest.code), 1, "no call without a token");
    let back = async || world.logs().contains("token fetched: calls that need it").then_some(());
    eventually("the file is there again", PATIENCE, back).await;
}

async fn a_program_that_hangs_holds_up_nobody_else(mode: Mode) {
    // FinishedJobs from everybody else's by its argument.
    let nap = format!("9{:09}", rand::random::<u32>());
    let source = format!("component_token_command = ['sleep', '{nap}']");
    let world = start(mode, &source, "[worker]\nconcurrency = 8\n").await;
    let client = world.client();
    let mut urls = Vec::new();
    for _ in 0..8 {
        let mut job = phone_job(&world.simulator.user(MERCHANT));
        job["deadline_seconds"] = json!(9);
        urls.push(client.submit(&job).await.text_at("/url").to_owned());
    }
    let naps = || naps(&nap);
    let runs = async || (!naps().is_empty()).then_some(());
    eventually("the program runs", PATIENCE, runs).await;
    assert_eq!(naps().len(), 1, "one at a time");
    for _ in 0..8 {
        let login = world.simulator.login(&LoginSpec::new(APP));
        let began = Instant::now();
        let job = json!({"app_id": APP, "code": login.code});
        let reply = client.submit_and_wait(&job, 20).await;
        assert_eq!(reply.text_at("/result/openid"), login.openid, "{}", reply.text);
        assert!(began.elapsed() < Duration::from_secs(3), "a login took {:?}", began.elapsed());
    }
    for url in urls {
        let job = client.wait_until_done(&url, Duration::from_mins(1)).await;
        let code = job["error"]["code"].as_str().unwrap();
        assert!(matches!(code, "platform_unavailable" | "deadline_exceeded"), "{job}");
    }
    let gone = async || naps().is_empty().then_some(());
    eventually("the program is killed", PATIENCE, gone).await;
}

/// Returns the processes that sleep for so long.
fn naps(nap: &str) -> Vec<u32> {
    let folders = fs::read_dir("/proc").unwrap().flatten();
    let ids = folders.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    ids.filter(|id| {
        let command = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
        command == format!("sleep\0{nap}\0").as_bytes()
    })
    .collect()
}

async fn what_the_platform_refuses_is_said(mode: Mode) {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("token");
    issue(&file, "component-token-1");
    let world = start(mode, &from_file(&file), "").await;
    world.simulator.deauthorize(MERCHANT);
    let job = end(&world, phone_job(&world.simulator.user(MERCHANT)), 60).await;
    assert_eq!(job["error"]["code"], "app_forbidden", "{job}");
    assert_eq!(job["error"]["platform_code"], 61003);
    world.simulator.authorize(MERCHANT);
    succeeds(&world).await;
    let endpoint = world.simulator.at(Endpoint::ComponentJscode2session);
    for (errcode, times, code) in [
        (40029, 1, "code_invalid"),
        (40226, 1, "user_blocked"),
        (61007, 1, "app_forbidden"),
        (40013, 1, "app_misconfigured"),
        (61011, 1, "app_misconfigured"),
        (40001, 2, "app_misconfigured"),
        (-1, 3, "platform_unavailable"),
    ] {
        let guest = world.simulator.user(MERCHANT);
        endpoint.script_for(&guest.code, vec![Action::Errcode(errcode); times]).unwrap();
        let job = end(&world, phone_job(&guest), 60).await;
        assert_eq!(job["error"]["code"], code, "{errcode}: {job}");
        assert_eq!(job["error"]["platform_code"], errcode);
        assert_eq!(world.simulator.calls_of(&guest.code) as usize, times, "{errcode}");
    }
    // A phone code takes an access token of the app, which nobody has here.
    let guest = world.simulator.user(MERCHANT);
    let job = json!({"app_id": MERCHANT, "phone_code": guest.phone_code});
    let reply = world.client().submit(&job).await;
    assert_eq!(reply.status, 422, "{}", reply.text);
    assert_eq!(reply.text_at("/errors/0/field"), "phone_code");
    assert_eq!(world.simulator.redeem_counts().redeems, 0);
}
