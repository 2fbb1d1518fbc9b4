//! Callbacks and rates of clients and apps.

use std::num::NonZeroU32;

use super::*;
use crate::domain::{
    app::AppId,
    callback_target::{CallbackBody, CallbackUrl},
    client::{ClientName, Rate},
};

const SECRET: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

fn webhook() -> String {
    format!("webhook_secret = [\"{SECRET}\"]\n")
}

#[test]
fn callbacks_and_rates_are_off_by_default() {
    let main = least() + &client("orders", DIGEST) + &app("wx1", "orders");
    let config = Folder::with(&main).load(&[]).unwrap();
    let client = config.directory.client(&ClientName::new("orders").unwrap()).unwrap();
    assert!(client.webhook_secrets.is_empty());
    assert_eq!(client.rate, None);
    let app = config.directory.app(&AppId::new("wx1").unwrap()).unwrap();
    assert!(app.callback_allow.is_empty());
    assert_eq!(app.callback_body, CallbackBody::Thin);
}

#[test]
fn callbacks_and_rates_are_read() {
    let main = least()
        + &client("orders", DIGEST)
        + "webhook_secret_file = \"hooks\"\nrate_per_second = 10\n"
        + &app("wx1", "orders")
        + "callback_allow = [\"https://orders.example/hooks/\"]\ncallback_body = \"whole\"\n"
        + &client("bursts", &"0".repeat(64))
        + "rate_per_second = 10\nrate_burst = 30\n";
    let folder = Folder::with(&main).and("hooks", &format!("{SECRET}\n{SECRET}\n"));
    let config = folder.load(&[]).unwrap();
    let client = |name| config.directory.client(&ClientName::new(name).unwrap()).unwrap();
    let rate = |per_second, burst| {
        let number = |number| NonZeroU32::new(number).unwrap();
        Some(Rate { per_second: number(per_second), burst: number(burst) })
    };
    assert_eq!(client("orders").webhook_secrets.len(), 2);
    assert_eq!(client("orders").rate, rate(10, 10));
    assert_eq!(client("bursts").rate, rate(10, 30));
    let app = config.directory.app(&AppId::new("wx1").unwrap()).unwrap();
    let allows = |url: &str| app.allows_callback(&CallbackUrl::parse(url).unwrap());
    assert!(allows("https://orders.example/hooks/1?token=x"));
    assert!(!allows("https://orders.example/") && !allows("https://elsewhere.example/hooks/1"));
    assert_eq!(app.callback_body, CallbackBody::Whole);
}

#[test]
fn each_error_is_named() {
    let cases = [
        (
            "webhook_secret = [\"whsec_AAAA\"]\n",
            "",
            "clients[0].webhook_secret[0]: expected \"whsec_\"",
        ),
        ("webhook_secret = \"x\"\n", "", "clients[0].webhook_secret: expected a list of texts"),
        ("webhook_secret = []\n", "", "clients[0].webhook_secret: expected at least one"),
        (
            &(webhook() + "webhook_secret_file = \"f\"\n"),
            "",
            "clients[0].webhook_secret: given together with `webhook_secret_file`",
        ),
        (
            "webhook_secret_file = \"f\"\n",
            "",
            "clients[0].webhook_secret_file: the file that it names cannot be read",
        ),
        (
            "rate_per_second = 0\n",
            "",
            "clients[0].rate_per_second: expected a whole number from 1 to 1000000",
        ),
        ("rate_burst = 5\n", "", "clients[0].rate_per_second: missing; give `rate_per_second`"),
        (
            "rate_per_second = 5\nrate_burst = 0.5\n",
            "",
            "clients[0].rate_burst: expected a whole number from 1 to 1000000",
        ),
        (
            &webhook(),
            "callback_allow = [\"orders.example\"]\n",
            "apps[0].callback_allow: expected a list of https",
        ),
        (
            &webhook(),
            "callback_allow = [\"https://orders.example/?x=1\"]\n",
            "apps[0].callback_allow: expected a list of https",
        ),
        (
            &webhook(),
            "callback_body = \"thick\"\n",
            "apps[0].callback_body: expected \"thin\" or \"whole\"",
        ),
        (
            "",
            "callback_allow = [\"https://orders.example/\"]\n",
            "apps[0].callback_allow: callbacks need a `webhook_secret`",
        ),
    ];
    for (of_client, of_app, expected) in cases {
        let main = least() + &client("orders", DIGEST) + of_client + &app("wx1", "orders") + of_app;
        let error = Folder::with(&main).errors(&[]);
        assert!(
            error.starts_with(&format!("quhao.toml: {expected}")),
            "{of_client}{of_app}{error}"
        );
        assert_eq!(error.lines().count(), 1, "{of_client}{of_app}{error}");
    }
}

#[test]
fn all_errors_are_reported_at_once() {
    let main = least()
        + &client("orders", DIGEST)
        + "webhook_secret = [\"x\", \"y\"]\nrate_per_second = -1\nrate_burst = -1\n"
        + &app("wx1", "orders").replace("secret =", "secrets =")
        + "callback_allow = 1\ncallback_body = 2\ncredential = 3\n";
    let error = Folder::with(&main).errors(&[]);
    let keys: Vec<_> = error
        .lines()
        .map(|line| line.strip_prefix("quhao.toml: ").unwrap().split(": ").next().unwrap())
        .collect();
    assert_eq!(
        keys,
        [
            "apps[0].secrets",
            "clients[0].webhook_secret[0]",
            "clients[0].webhook_secret[1]",
            "clients[0].rate_per_second",
            "clients[0].rate_burst",
            "apps[0].credential",
            "apps[0].callback_allow",
            "apps[0].callback_body",
        ],
        "{error}"
    );
}
