use std::fmt::Write;

use super::*;
use crate::config::{DEFAULTS, layers::schema::SCHEMA, minimal_example, reference_markdown};

#[test]
fn effective_configuration_shows_origins_not_secrets() {
    let main = least().replace("guest:guest@", "guest:p%40ss@")
        + "[platforms.wechat]\nbase_url = \"http://127.0.0.1:9000\"\n"
        + &client("orders", DIGEST)
        + &app("wx1", "orders");
    let folder = Folder::with(&main).and("url", "postgres://u:p@h/d");
    let text = folder.effective(&[
        ("QUHAO__STORE__URL_FILE", "url"),
        ("QUHAO__SECRETS__ID", &format!("k2:{KEY},k1:{OTHER_KEY}")),
        ("QUHAO__STORE__RETENTION_HOURS", "48"),
    ]);
    for line in [
        "drain_seconds = 20",
        "url = \"amqp://guest:***@127.0.0.1:5672/%2f\"  # quhao.toml",
        "url_file = \"url\"  # the environment",
        "retention_hours = 48  # the environment",
        "id = [\"k2:(set)\", \"k1:(set)\"]  # the environment",
        "seal = [\"k1:(set)\"]  # quhao.toml",
        "base_url = \"http://127.0.0.1:9000\"  # quhao.toml",
        "listen = \"127.0.0.1:8080\"",
        "[[clients]]  # quhao.toml",
        "api_key_sha256 = [\"9f86d081…\"]",
        "[[apps]]  # quhao.toml",
        "secret = \"(set)\"",
    ] {
        assert!(text.lines().any(|found| found == line), "no {line} in\n{text}");
    }
    assert!(!text.contains("postgres://"), "{text}");
    let order = [
        "[http]",
        "[queue]",
        "[store]",
        "[worker]",
        "[secrets]",
        "[platforms.wechat]",
        "[callbacks]",
        "[log]",
        "[[clients]]",
        "[[apps]]",
    ];
    let places: Vec<_> = order.iter().map(|section| text.find(section).unwrap()).collect();
    assert!(places.is_sorted(), "{text}");
    assert!(
        ::config::Config::builder()
            .add_source(::config::File::from_str(&text, ::config::FileFormat::Toml))
            .build()
            .is_ok()
    );
}

#[test]
fn webhook_secrets_tokens_and_paths_are_masked() {
    let main = least()
        + "[platforms.wechat]\ncomponent_appid = \"wxc\"\n\
           component_token_command = [\"/bin/token\", \"--password=hunter2\"]\n"
        + &client("orders", DIGEST)
        + &format!(
            "webhook_secret = [\"whsec_{KEY}\", \"whsec_{OTHER_KEY}\"]\nrate_per_second = 5\n"
        )
        + &app("wx1", "orders").replace("secret = \"s3cret\"", "credential = \"component\"")
        + "callback_allow = [\"https://a.example/\", \"https://b.example:8443/hook/hunter2\"]\n";
    let variables =
        [("QUHAO__CALLBACKS__ALLOW_HTTP", " true"), ("QUHAO__CALLBACKS__ALLOW_NETWORKS", "")];
    let text = Folder::with(&main).effective(&variables);
    for line in [
        "component_appid = \"wxc\"  # quhao.toml",
        "component_token_command = [\"(set)\", \"(set)\"]  # quhao.toml",
        "allow_http = true  # the environment",
        "allow_networks = []  # the environment",
        "webhook_secret = [\"(set)\", \"(set)\"]",
        "rate_per_second = 5",
        "credential = \"component\"",
        "callback_allow = [\"https://a.example/\", \"https://b.example:8443/***\"]",
    ] {
        assert!(text.lines().any(|found| found == line), "no {line} in\n{text}");
    }
    assert!(!text.contains("hunter2") && !text.contains(KEY) && !text.contains(OTHER_KEY));
}

#[test]
fn passwords_in_parameters_of_a_url_are_masked() {
    let url = "postgres://h/d?password=hunter2&sslmode=disable";
    let main = least().replace("postgres://postgres@127.0.0.1:5432/quhao", url);
    let text = Folder::with(&main).effective(&[]);
    assert!(text.contains("postgres://h/d?***=***&sslmode=disable"), "{text}");
    // An unescaped "&" makes a parameter of the rest of a password.
    let main = least().replace("5672/%2f", "5672/%2f?password=hun&ter2&heartbeat=5");
    let text = Folder::with(&main).effective(&[]);
    assert!(text.contains("5672/%2f?***=***&***=***&heartbeat=5"), "{text}");
}

#[test]
fn minimal_example_works_as_printed() {
    let text = minimal_example().unwrap();
    let config = Folder::with(&text).load(&[]).unwrap();
    assert!(config.is_embedded());
    let api_key = text.split_once("The API key is ").unwrap().1.lines().next().unwrap();
    assert_eq!(config.directory.client_of_key(api_key).unwrap().name.as_str(), "orders");
    assert_ne!(text, minimal_example().unwrap());
}

/// The default file is the schema: what it shows must load, and no other key may be known.
#[test]
fn every_key_of_the_default_file_is_read() {
    let mut text = String::new();
    for section in SCHEMA.iter() {
        match (section.name.as_str(), section.list) {
            ("", _) => {}
            (name, true) => writeln!(text, "[[{name}]]").unwrap(),
            (name, false) => writeln!(text, "[{name}]").unwrap(),
        }
        for entry in section.entries.iter().filter(|entry| !entry.key.ends_with("_file")) {
            assert!(!entry.text.is_empty(), "{} has no comment", section.path(&entry.key));
            writeln!(text, "{} = {}", entry.key, entry.value).unwrap();
        }
    }
    let text = text
        .replace("BASE64_OF_32_BYTES", KEY)
        .replace("whsec_BASE64", &format!("whsec_{KEY}"))
        .replace("64_HEX_DIGITS", DIGEST);
    Folder::with(&text).load(&[]).unwrap();

    // A value of the wrong type under each key is noticed, so no known key is left unread.
    for section in SCHEMA.iter().filter(|section| !section.list) {
        for entry in &section.entries {
            let path = section.path(&entry.key);
            let header = if section.name.is_empty() {
                String::new()
            } else {
                format!("[{}]\n", section.name)
            };
            let wrong = format!("{header}{} = {{ wrong = 1 }}\n", entry.key);
            let folder = Folder::with(&least()).and("config.d/wrong.toml", &wrong);
            let error = folder.errors(&[]);
            let expected = format!("config.d/wrong.toml: {path}: expected ");
            // The `component_*` keys also require each other.
            assert!(error.lines().any(|line| line.starts_with(&expected)), "{error}");
        }
    }
    let sections: Vec<_> =
        DEFAULTS.lines().filter(|line| line.starts_with(['[']) || line.starts_with("#[")).collect();
    assert_eq!(sections.len(), SCHEMA.len() - 1);
}

#[test]
fn reference_in_docs_is_current() {
    let expected = reference_markdown();
    let found = include_str!("../../../../docs/operate/configuration.md");
    assert!(
        found == expected,
        "docs/operate/configuration.md is not what the default file makes:\n{expected}"
    );
}
