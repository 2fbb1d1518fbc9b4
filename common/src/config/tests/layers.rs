use std::{path::Path, time::Duration};

use secrecy::ExposeSecret;

use super::*;
use crate::{
    config::{
        LogFormat, QueueUrl, StoreUrl, broker_address::BrokerAddress, store_address::StoreAddress,
    },
    domain::app::{AppId, Credential},
};

fn server(url: &str) -> StoreUrl {
    StoreUrl::Postgres(StoreAddress::parse(url).unwrap())
}

#[test]
fn defaults_are_those_of_the_default_file() {
    let config = Folder::with(&least()).load(&[]).unwrap();
    let seconds = Duration::from_secs;
    assert_eq!(config.http.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.http.metrics_listen.to_string(), "127.0.0.1:9090");
    assert_eq!((config.http.connections_max, config.http.waiters_max), (10_000, 10_000));
    assert_eq!(config.http.header_timeout, seconds(10));
    assert_eq!(config.http.body_timeout, seconds(10));
    assert_eq!(config.http.wait_max, seconds(30));
    assert_eq!(config.queue.prefix, "quhao");
    assert_eq!(config.queue.confirm_timeout, seconds(5));
    assert_eq!(config.queue.publish_window, 2048);
    assert_eq!(config.queue.heartbeat, seconds(10));
    assert_eq!(config.queue.connect_timeout, seconds(5));
    assert_eq!((config.queue.length_max, config.queue.delivery_limit), (1_000_000, 20));
    assert_eq!(config.store.connections_max, 8);
    assert_eq!(config.store.acquire_timeout, seconds(3));
    assert_eq!(config.store.statement_timeout, seconds(5));
    assert_eq!(config.store.retention, seconds(24 * 3600));
    assert_eq!(config.store.session_retention, seconds(72 * 3600));
    assert_eq!((config.worker.concurrency, config.worker.batch_max), (256, 500));
    assert_eq!(config.worker.metrics_listen.to_string(), "127.0.0.1:9091");
    assert_eq!(config.wechat.base_url.as_str(), "https://api.weixin.qq.com/");
    assert_eq!(config.wechat.watermark_max_age, None);
    assert_eq!(config.wechat.connect_timeout, seconds(1));
    assert_eq!(config.wechat.timeout, seconds(4));
    assert_eq!((config.log.format, config.log.filter.as_str()), (LogFormat::Text, "info"));
    assert_eq!(config.drain, seconds(20));
    assert_eq!(config.grace(), seconds(14));
    assert_eq!(config.erasure_retention(), seconds(72 * 3600 + 290 + 14));
    assert!(!config.is_embedded());
}

#[test]
fn environment_overrides_files_and_later_earlier_ones() {
    let folder =
        Folder::with(&format!("drain_seconds = 1\n[worker]\nconcurrency = 1\n{}", least()))
            .and(
                "config.d/20.toml",
                "drain_seconds = 3\n[worker]\nconcurrency = 3\nbatch_max = 3\n",
            )
            .and(
                "config.d/10.toml",
                "drain_seconds = 2\n[worker]\nconcurrency = 2\n[http]\nwaiters_max = 2\n",
            )
            .and("config.d/.hidden.toml", "not TOML")
            .and("config.d/notes.txt", "not TOML");
    let config = folder
        .load(&[
            ("QUHAO__DRAIN_SECONDS", "4"),
            ("QUHAO__PLATFORMS__WECHAT__CONNECT_TIMEOUT_SECONDS", "0.25"),
            ("QUHAO_ELSEWHERE", "x"),
            ("HOME", "x"),
        ])
        .unwrap();
    assert_eq!(config.drain, Duration::from_secs(4));
    assert_eq!(config.worker.concurrency, 3);
    assert_eq!(config.worker.batch_max, 3);
    assert_eq!(config.http.waiters_max, 2);
    assert_eq!(config.wechat.connect_timeout, Duration::from_millis(250));
}

#[test]
fn rust_log_overrides_every_filter() {
    let folder = Folder::with(&least()).and("config.d/10.toml", "[log]\nfilter = \"warn\"\n");
    let filter = |variables: &[(&str, &str)]| folder.load(variables).unwrap().log.filter;
    assert_eq!(filter(&[]), "warn");
    assert_eq!(filter(&[("RUST_LOG", " ")]), "warn");
    assert_eq!(filter(&[("RUST_LOG", "debug"), ("QUHAO__LOG__FILTER", "error")]), "debug");
    let shown = folder.effective(&[("RUST_LOG", "debug")]);
    assert!(shown.contains("filter = \"debug\"  # the variable RUST_LOG\n"), "{shown}");
}

#[test]
fn variables_alone_are_enough() {
    let config = Folder::new()
        .load(&[
            ("QUHAO__QUEUE__URL", "sqlite:q.db"),
            ("QUHAO__STORE__URL", "sqlite:s.db"),
            ("QUHAO__SECRETS__ID", &format!("k2:{KEY}, k1:{OTHER_KEY}")),
            ("QUHAO__SECRETS__SEAL", &format!("k1:{KEY}")),
            ("QUHAO__WORKER__METRICS_LISTEN", "[::1]:0"),
        ])
        .unwrap();
    assert!(config.is_embedded());
    assert_eq!(config.worker.metrics_listen.to_string(), "[::1]:0");
    assert!(config.directory.apps().next().is_none());
}

#[test]
fn named_file_has_its_own_config_d() {
    let folder = Folder::new()
        .and("quhao.toml", "not TOML, and not read")
        .and("etc/main.toml", &least())
        .and("etc/config.d/a.toml", "drain_seconds = 7\n");
    let mut options = folder.options(&[]);
    options.file = Some("etc/main.toml".into());
    assert_eq!(Config::load(&options).unwrap().drain, Duration::from_secs(7));
}

#[test]
fn clients_and_apps_of_several_files_add_up() {
    let main = least() + &client("orders", DIGEST) + &app("wx1", "orders");
    let other = "0".repeat(64);
    let merchant = client("takeaway", &other) + &app("wx2", "takeaway") + &app("wx3", "orders");
    let config = Folder::with(&main).and("config.d/takeaway.toml", &merchant).load(&[]).unwrap();
    assert_eq!(config.directory.apps().count(), 3);
    let owner =
        |id: &str| config.directory.app(&AppId::new(id).unwrap()).unwrap().client.to_string();
    assert_eq!(owner("wx1"), "orders");
    assert_eq!(owner("wx2"), "takeaway");
    assert_eq!(owner("wx3"), "orders");
    // DIGEST is that of "test".
    assert_eq!(config.directory.client_of_key("test").unwrap().name.as_str(), "orders");
}

#[test]
fn secrets_may_be_in_files_beside_the_naming_file() {
    let main = r#"
[queue]
url_file = "secrets/queue"
[store]
url_file = "secrets/store"
[secrets]
id_file = "secrets/id"
seal_file = "secrets/seal"
"#;
    let merchant = "[[apps]]\nid = \"wx1\"\nclient = \"orders\"\nsecret_file = \"wx1\"\n";
    let folder = Folder::with(&(main.to_owned() + &client("orders", DIGEST)))
        .and("secrets/queue", "amqps://u:p@broker.example/v\n")
        .and("secrets/store", "postgres://u:p@db.example/quhao\r\n")
        .and("secrets/id", &format!("k7:{KEY}\nk6:{OTHER_KEY}\n"))
        .and("secrets/seal", &format!("k1:{KEY}"))
        .and("config.d/merchant.toml", merchant)
        .and("config.d/wx1", "app secret without blanks\n".replace(' ', "-").as_str());
    let config = folder.load(&[]).unwrap();
    let broker = BrokerAddress::parse("amqps://u:p@broker.example/v").unwrap();
    assert_eq!(config.queue.url, QueueUrl::Amqp(broker));
    assert_eq!(config.store.url, server("postgres://u:p@db.example/quhao"));
    let app = config.directory.app(&AppId::new("wx1").unwrap()).unwrap();
    assert!(matches!(&app.credential, Credential::Secret(secret)
        if secret.expose_secret() == "app-secret-without-blanks"));
    assert_eq!(app.platform, "wechat");
    // Relative paths of a variable count from the working directory.
    let config = folder.load(&[("QUHAO__STORE__URL_FILE", "secrets/store")]).unwrap();
    assert!(matches!(config.store.url, StoreUrl::Postgres(_)));
}

#[test]
fn of_a_secret_and_its_file_the_later_layer_wins() {
    let folder = Folder::with(&least()).and("url", "postgres://elsewhere.example/quhao");
    let config = folder.load(&[("QUHAO__STORE__URL_FILE", "url")]).unwrap();
    assert_eq!(config.store.url, server("postgres://elsewhere.example/quhao"));
    let main =
        least().replace("url = \"postgres://postgres@127.0.0.1:5432/quhao\"", "url_file = \"no\"");
    let config = Folder::with(&main).load(&[("QUHAO__STORE__URL", "postgres://here/q")]).unwrap();
    assert_eq!(config.store.url, server("postgres://here/q"));
}

#[test]
fn sqlite_paths_count_from_the_naming_file() {
    for (url, expected) in [
        ("sqlite:quhao.db", "etc/quhao.db"),
        ("sqlite://data/quhao.db", "etc/data/quhao.db"),
        ("sqlite:/var/lib/quhao.db", "/var/lib/quhao.db"),
        ("sqlite:///var/lib/quhao.db", "/var/lib/quhao.db"),
    ] {
        let main = format!(
            "[queue]\nurl = \"{url}\"\n[store]\nurl = \"{url}\"\n[secrets]\nid = [\"k1:{KEY}\"]\nseal = [\"k1:{KEY}\"]\n"
        );
        let folder = Folder::new().and("etc/quhao.toml", &main);
        let mut options = folder.options(&[]);
        options.file = Some("etc/quhao.toml".into());
        let config = Config::load(&options).unwrap();
        let expected = folder.path().join(Path::new(expected));
        assert!(matches!(&config.store.url, StoreUrl::Sqlite(path) if *path == expected));
        assert!(matches!(&config.queue.url, QueueUrl::Sqlite(path) if *path == expected));
    }
}
