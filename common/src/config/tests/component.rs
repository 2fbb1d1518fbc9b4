//! The third-party platform, and the apps that it looks after.

use std::sync::Arc;

use super::*;
use crate::domain::app::{AppId, Component, ComponentToken, Credential};

fn wechat(keys: &str) -> String {
    format!("{}[platforms.wechat]\n{keys}", least())
}

fn looked_after() -> String {
    client("orders", DIGEST)
        + &app("wx1", "orders").replace("secret = \"s3cret\"", "credential = \"component\"")
}

/// What the only app's calls prove themselves with.
fn component(config: &Config) -> Arc<Component> {
    let registry = config.live.now();
    match &registry.directory.app(&AppId::new("wx1").unwrap()).unwrap().credential {
        Credential::Component(component) => Arc::clone(component),
        Credential::Secret(_) => panic!("it has no secret"),
    }
}

#[test]
fn its_token_stands_in_a_file_or_comes_from_a_program() {
    let folder = Folder::with(&least()).and(
        "config.d/merchant.toml",
        &("[platforms.wechat]\ncomponent_appid = \"wxc\"\ncomponent_token_file = \"token\"\n"
            .to_owned()
            + &looked_after()),
    );
    let component = self::component(&folder.load(&[]).unwrap());
    assert_eq!(component.app_id.as_str(), "wxc");
    // It need not be there yet: whatever issues it may come later.
    assert_eq!(component.token, ComponentToken::File(folder.path().join("config.d/token")));

    let main = wechat("component_appid = \"wxc\"\ncomponent_token_command = [\"token\", \"-n\"]\n");
    let config = Folder::with(&(main + &looked_after())).load(&[]).unwrap();
    let words = ["token", "-n"].map(str::to_owned).to_vec();
    assert_eq!(self::component(&config).token, ComponentToken::Command(words));
}

#[test]
fn each_mistake_is_named() {
    let command = "component_token_command = [\"token\"]\n";
    let cases = [
        (wechat(command), "platforms.wechat.component_appid: missing; give `component_appid`"),
        (
            wechat("component_appid = \"wxc\"\n"),
            "platforms.wechat.component_token_file: missing; give `component_token_file` or \
             `component_token_command`",
        ),
        (
            wechat(&format!("component_appid = \"wxc\"\ncomponent_token_file = \"f\"\n{command}")),
            "platforms.wechat.component_token_command: given together with `component_token_file`",
        ),
        (
            wechat("component_appid = \"wxc\"\ncomponent_token_command = []\n"),
            "platforms.wechat.component_token_command: expected a list of texts",
        ),
        (
            wechat("component_appid = \"wxc\"\ncomponent_token_file = \"\"\n"),
            "platforms.wechat.component_token_file: expected the path of a file",
        ),
        (least() + &looked_after(), "apps[0].credential: needs component_appid"),
        (
            wechat(&format!("component_appid = \"wxc\"\n{command}"))
                + &looked_after()
                + "secret = \"x\"\n",
            "apps[0].secret: an app with `credential = \"component\"` has no secret",
        ),
    ];
    for (main, expected) in cases {
        let error = Folder::with(&main).errors(&[]);
        let error = error.strip_prefix("quhao.toml: ").unwrap_or(&error);
        assert!(error.starts_with(expected), "{main}\n{error}");
        assert_eq!(error.lines().count(), 1, "{main}\n{error}");
    }
}
