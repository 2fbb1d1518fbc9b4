use std::{fs::Permissions, os::unix::fs::PermissionsExt};

use super::*;
use crate::config::layers::exposed::others_read;

/// Returns the files that are reported when those of `folder` have these modes.
fn exposed(folder: &Folder, modes: &[(&str, u32)]) -> Vec<String> {
    for (name, mode) in modes {
        fs::set_permissions(folder.path().join(name), Permissions::from_mode(*mode)).unwrap();
    }
    let files = folder.load(&[]).unwrap().exposed_files;
    let names = files.iter().map(|file| file.strip_prefix(folder.path()).unwrap());
    names.map(|name| name.display().to_string()).collect()
}

#[test]
fn readable_files_with_secrets_are_reported() {
    let folder = Folder::with(&(least() + &client("orders", DIGEST)))
        .and("config.d/a.toml", &app("wx1", "orders"))
        .and("config.d/b.toml", "drain_seconds = 7\n");
    let all = |mode| [("quhao.toml", mode), ("config.d/a.toml", mode), ("config.d/b.toml", mode)];
    assert_eq!(exposed(&folder, &all(0o644)), ["quhao.toml", "config.d/a.toml"]);
    assert_eq!(exposed(&folder, &all(0o600)), <[&str; 0]>::default());
    assert_eq!(exposed(&folder, &[("config.d/a.toml", 0o604)]), ["config.d/a.toml"]);
}

#[test]
fn files_that_only_name_secret_files_are_not_reported() {
    let main = "[queue]\nurl = 'sqlite:q.db'\n[store]\nurl = 'sqlite:q.db'\n\
                [secrets]\nid_file = 'id'\nseal_file = 'seal'\n"
        .to_owned()
        + &client("orders", DIGEST);
    let folder = Folder::with(&main)
        .and("id", &format!("k1:{KEY}"))
        .and("seal", &format!("k1:{KEY}"))
        .and("config.d/a.toml", &app("wx1", "orders").replace("secret = ", "secret_file = "))
        .and("config.d/s3cret", "app-secret");
    assert_eq!(exposed(&folder, &[("quhao.toml", 0o644)]), <[&str; 0]>::default());
}

#[test]
fn url_with_a_password_is_a_secret() {
    let servers = |queue: &str, store: &str| {
        format!(
            "[queue]\nurl = '{queue}'\n[store]\nurl = '{store}'\n\
             [secrets]\nid_file = 'id'\nseal_file = 'id'\n"
        )
    };
    for (queue, store, names) in [
        ("amqp://h/%2f", "postgres://u@h/d", &[][..]),
        ("amqp://u:p@h/%2f", "postgres://u@h/d", &["quhao.toml"]),
        ("amqp://h/%2f", "postgres://u:p@h/d", &["quhao.toml"]),
        ("amqp://h/%2f", "postgres://h/d?password=p", &["quhao.toml"]),
    ] {
        let folder = Folder::with(&servers(queue, store)).and("id", &format!("k1:{KEY}"));
        assert_eq!(exposed(&folder, &[("quhao.toml", 0o644)]), names, "{queue} {store}");
    }
}

#[test]
fn service_may_read_its_file_through_its_group() {
    assert!(!others_read(0o100_640, 0));
    assert!(others_read(0o100_640, 1000));
    assert!(others_read(0o100_644, 0) && others_read(0o100_604, 1000));
    assert!(!others_read(0o100_600, 1000) && !others_read(0o100_400, 0));
}
