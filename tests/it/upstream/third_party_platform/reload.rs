//! SIGHUP: the third-party platform comes, changes and goes with the apps that it looks after.

use quhao_tests::reload::{Reading, put, reload};
use tempfile::TempDir;

use super::*;

in_both_modes!(a_third_party_platform_is_taken_over_at_a_reload);

fn looked_after(source: &str) -> String {
    format!("[platforms.wechat]\ncomponent_appid = '{PROVIDER}'\n{source}\n{}", app("component"))
}

fn app(credential: &str) -> String {
    let secret = if credential == "secret" { "secret = 's3cret'\n" } else { "" };
    format!("[[apps]]\nid = '{MERCHANT}'\nclient = 'orders'\ncredential = '{credential}'\n{secret}")
}

async fn a_third_party_platform_is_taken_over_at_a_reload(mode: Mode) {
    let component =
        Component { app_id: PROVIDER.to_owned(), access_token: "component-token-1".to_owned() };
    let simulator = Options { component: Some(component), ..Options::default() };
    let world = World::with(mode, WorldOptions { simulator, ..WorldOptions::default() }).await;
    let folder = TempDir::new().unwrap();
    let (first, second) = (folder.path().join("first"), folder.path().join("second"));
    let file = world.config.folder().join("config.d/merchant.toml");

    put(&file, &app("secret"));
    reload(&world, Reading::Applied).await;
    succeeds(&world).await;
    assert_eq!(world.simulator.component_counts().calls, 0);

    // The app is handed over to one that this process has never heard of.
    issue(&first, "component-token-1");
    put(&file, &looked_after(&from_file(&first)));
    reload(&world, Reading::Applied).await;
    succeeds(&world).await;
    assert_eq!((world.simulator.counts().calls, world.simulator.component_counts().calls), (1, 1));

    // Its token comes from elsewhere; the old one would be good for a minute.
    issue(&second, "component-token-2");
    put(&file, &looked_after(&from_file(&second)));
    reload(&world, Reading::Applied).await;
    world.simulator.set_component_token("component-token-2");
    let guest = succeeds(&world).await;
    assert_eq!(world.simulator.calls_of(&guest.code), 1, "no call with the old token");

    // It may not go before its apps.
    put(&file, &app("component"));
    reload(&world, Reading::Refused).await;
    succeeds(&world).await;
    put(&file, &app("secret"));
    reload(&world, Reading::Applied).await;
    let calls = world.simulator.component_counts().calls;
    succeeds(&world).await;
    assert_eq!(world.simulator.component_counts().calls, calls);
    assert!(!world.logs().contains("need a restart"), "{}", world.logs());
}
