//! The third-party platform, and the apps that it manages.

use std::sync::Arc;

use super::*;
use crate::domain::app::{AppId, Credential, ThirdPartyPlatform, ThirdPartyTokenSource};

fn wechat(keys: &str) -> String {
    format!("{}[platforms.wechat]\n{keys}", least())
}

fn managed_app() -> String {
    client("orders", DIGEST)
        + &app("wx1", "orders").replace("secret = \"s3cret\"", "credential = \"component\"")
}

/// Returns the platform that manages the only app.
fn platform(config: &Config) -> Arc<ThirdPartyPlatform> {
    match &config.directory.app(&AppId::new("wx1").unwrap()).unwrap().credential {
        Credential::ThirdPartyPlatform(platform) => Arc::clone(platform),
        Credential::Secret(_) => panic!("it has no secret"),
    }
}

#[test]
fn token_is_in_a_file_or_comes_from_a_program() {
    let folder = Folder::with(&least()).and(
        "config.d/merchant.toml",
        &("[platforms.wechat]\ncomponent_appid = \"wxc\"\ncomponent_token_file = \"token\"\n"
            .to_owned()
            + &managed_app()),
    );
    let platform = self::platform(&folder.load(&[]).unwrap());
    assert_eq!(platform.app_id.as_str(), "wxc");
    // The file need not exist yet: whatever issues the token may write it later.
    assert_eq!(platform.token, ThirdPartyTokenSource::File(folder.path().join("config.d/token")));

    let main = wechat("component_appid = \"wxc\"\ncomponent_token_command = [\"token\", \"-n\"]\n");
    let config = Folder::with(&(main + &managed_app())).load(&[]).unwrap();
    let words = ["token", "-n"].map(str::to_owned).to_vec();
    assert_eq!(self::platform(&config).token, ThirdPartyTokenSource::Command(words));
}

#[test]
fn each_error_is_named() {
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
        (least() + &managed_app(), "apps[0].credential: needs component_appid"),
        (
            wechat(&format!("component_appid = \"wxc\"\n{command}"))
                + &managed_app()
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
