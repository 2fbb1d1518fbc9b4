//! What a running process cannot take over.

use super::*;

fn differing(main: &str, other: &str) -> Vec<&'static str> {
    let load = |text: &str| Folder::with(text).load(&[]).unwrap();
    load(main).sections_that_need_a_restart(&load(other))
}

#[test]
fn clients_secrets_and_addresses_need_no_restart() {
    let other = least()
        .replace("guest:guest@127.0.0.1", "quhao:other@broker.example")
        .replace("postgres@127.0.0.1", "quhao:other@db.example")
        .replace(&format!("[\"k1:{KEY}\"]"), &format!("[\"k2:{OTHER_KEY}\", \"k1:{KEY}\"]"))
        + "[platforms.wechat]\ncomponent_appid = \"wxc\"\ncomponent_token_command = [\"x\"]\n"
        + &client("orders", DIGEST)
        + &app("wx1", "orders");
    assert_eq!(differing(&least(), &other), [""; 0]);
}

#[test]
fn other_keys_name_their_section() {
    let cases = [
        ("drain_seconds", "drain_seconds = 21\n"),
        ("[http]", "[http]\nlisten = \"127.0.0.1:1\"\n"),
        ("[queue]", "[queue]\nheartbeat_seconds = 11\n"),
        ("[store]", "[store]\nretention_hours = 25\n"),
        ("[worker]", "[worker]\nconcurrency = 255\n"),
        ("[platforms.wechat]", "[platforms.wechat]\ntimeout_seconds = 5\n"),
        ("[callbacks]", "[callbacks]\nallow_networks = [\"10.0.0.0/8\"]\n"),
        ("[log]", "[log]\nformat = \"json\"\n"),
    ];
    for (section, further) in cases {
        let folder = Folder::with(&least());
        let before = folder.load(&[]).unwrap();
        let after = folder.and("config.d/further.toml", further).load(&[]).unwrap();
        assert_eq!(before.sections_that_need_a_restart(&after), [section], "{further}");
    }
}

#[test]
fn change_between_servers_and_files_is_a_restart() {
    let embedded = least()
        .replace("amqp://guest:guest@127.0.0.1:5672/%2f", "sqlite:q.db")
        .replace("postgres://postgres@127.0.0.1:5432/quhao", "sqlite:q.db");
    assert_eq!(differing(&least(), &embedded), ["[queue]", "[store]"]);
    let moved = embedded.replace("q.db", "other.db");
    let absolute = |text: &str| text.replace("sqlite:", "sqlite:/var/lib/");
    assert_eq!(differing(&absolute(&embedded), &absolute(&moved)), ["[queue]", "[store]"]);
}
