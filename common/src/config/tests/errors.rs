use std::os::unix::ffi::OsStringExt;

use super::*;

#[test]
fn empty_configuration_reports_what_is_needed() {
    let errors = Config::load(&Folder::new().options(&[])).unwrap_err();
    assert!(errors.only_missing());
    assert_eq!(
        errors.to_string(),
        "queue.url: missing; give `url` or `url_file` under [queue], or the variable QUHAO__QUEUE__URL\n\
         store.url: missing; give `url` or `url_file` under [store], or the variable QUHAO__STORE__URL\n\
         secrets.id: missing; give `id` or `id_file` under [secrets], or the variable QUHAO__SECRETS__ID\n\
         secrets.seal: missing; give `seal` or `seal_file` under [secrets], or the variable QUHAO__SECRETS__SEAL"
    );
}

/// A line of a configuration that loads otherwise, and the one error that it makes.
#[test]
fn each_error_names_file_and_key() {
    let cases = [
        ("drain_seconds = 0", "drain_seconds: expected a whole number from 1 to 600"),
        ("drain_seconds = 1.5", "drain_seconds: expected a whole number from 1 to 600"),
        ("drain_seconds = \"20\"", "drain_seconds: expected a whole number from 1 to 600"),
        ("http = 5", "http: expected a table, [http]"),
        ("[[http]]", "http: expected a table, [http]"),
        ("platforms = 5", "platforms: expected a table, [platforms]"),
        (
            "[http]\nlisten = 8080",
            "http.listen: expected an IP address and a port, such as \"127.0.0.1:8080\"",
        ),
        ("[http]\nlisten = \"localhost:8080\"", "http.listen: expected an IP address"),
        ("[http]\nlistn = \"0.0.0.0:80\"", "http.listn: unknown key; did you mean http.listen?"),
        ("[htp]\nlisten = \"0.0.0.0:80\"", "htp: unknown key; did you mean http?"),
        ("listen = \"0.0.0.0:80\"", "listen: unknown key"),
        (
            "[http]\nheader_timeout_seconds = -1",
            "http.header_timeout_seconds: expected seconds from 0.1 to 60",
        ),
        (
            "[http]\nheader_timeout_seconds = nan",
            "http.header_timeout_seconds: expected seconds from 0.1 to 60",
        ),
        (
            "[http]\nwait_max_seconds = 31",
            "http.wait_max_seconds: expected a whole number from 0 to 30",
        ),
        (
            "[worker]\nconcurrency = 2001",
            "worker.concurrency: expected a whole number from 1 to 2000",
        ),
        (
            "[worker]\nconcurrency = []",
            "worker.concurrency: expected a whole number from 1 to 2000",
        ),
        ("[log]\nformat = \"xml\"", "log.format: expected \"text\" or \"json\""),
        ("[log]\nfilter = \"info,quhao=loud\"", "log.filter: expected a filter such as"),
        (
            "[platforms.wechat]\nbase_url = \"ftp://x\"",
            "platforms.wechat.base_url: expected an https",
        ),
        (
            "[platforms.wechat]\nbase_url = \"https://u:p@x\"",
            "platforms.wechat.base_url: expected an https",
        ),
        (
            "[platforms.wechat]\nbase_uri = \"https://x\"",
            "platforms.wechat.base_uri: unknown key; did you mean platforms.wechat.base_url?",
        ),
        ("[platforms.alipay]", "platforms.alipay: unknown key"),
        ("[apps]", "apps: expected one [[apps]] block each"),
        ("apps = [1]", "apps[0]: expected a table"),
        (
            "[[clients]]\nname = \"a\"\napi_key_sha256 = []",
            "clients[0].api_key_sha256: expected a list of SHA-256",
        ),
        (
            "[[clients]]\nname = \"a\"\napi_key_sha256 = [\"12\"]",
            "clients[0].api_key_sha256: expected a list of SHA-256",
        ),
        ("[[clients]]\nname = \"a\"", "clients[0].api_key_sha256: missing; give `api_key_sha256`"),
    ];
    for (line, expected) in cases {
        // Keys of a table must stand before the next table begins.
        let main = format!("{line}\n{}", least());
        let error = Folder::with(&main).errors(&[]);
        assert!(error.starts_with(&format!("quhao.toml: {expected}")), "{line}\n{error}");
        assert_eq!(error.lines().count(), 1, "{line}\n{error}");
    }
}

#[test]
fn errors_in_callbacks_are_named() {
    let cases = [
        ("[callbacks]\nallow_http = \"yes\"", "callbacks.allow_http: expected true or false"),
        (
            "[callbacks]\nallow_networks = [\"10.0.0.0/33\"]",
            "callbacks.allow_networks: expected a list of networks",
        ),
        (
            "[callbacks]\nallow_networks = [\"10.0.0.1\"]",
            "callbacks.allow_networks: expected a list of networks",
        ),
        (
            "[callbacks]\nconcurrency = 0",
            "callbacks.concurrency: expected a whole number from 1 to 1000",
        ),
        ("[callback]\nallow_http = true", "callback: unknown key; did you mean callbacks?"),
    ];
    for (line, expected) in cases {
        let error = Folder::with(&format!("{line}\n{}", least())).errors(&[]);
        assert!(error.starts_with(&format!("quhao.toml: {expected}")), "{line}\n{error}");
        assert_eq!(error.lines().count(), 1, "{line}\n{error}");
    }
}

#[test]
fn errors_in_urls_and_secrets_are_named() {
    let amqp = "url = \"amqp://guest:guest@127.0.0.1:5672/%2f\"";
    let postgres = "url = \"postgres://postgres@127.0.0.1:5432/quhao\"";
    let id = &format!("id = [\"k1:{KEY}\"]");
    let cases = [
        (amqp, "url = \"redis://127.0.0.1\"", "queue.url: expected a URL"),
        (amqp, "url = \"amqp:///%2f\"", "queue.url: expected a URL"),
        (amqp, "url = \"sqlite:\"", "queue.url: expected a URL"),
        (amqp, "url = \"sqlite::memory:\"", "queue.url: expected a URL"),
        (amqp, "url = 5", "queue.url: expected a text"),
        (amqp, "url = \"sqlite:q.db\"", "store.url: \"sqlite:\" and a server together"),
        (postgres, "url = \"sqlite:q.db\"", "store.url: \"sqlite:\" and a server together"),
        (postgres, "url = \"mysql://h/d\"", "store.url: expected a URL"),
        (postgres, "url = \"sqlite:a.db?mode=rwc\"", "store.url: expected a URL"),
        (postgres, "url = \"postgres://h:port/d\"", "store.url: expected a URL"),
        (
            postgres,
            "url = \"postgres://h/d?sslmode=maybe\"",
            "store.url: expected a URL whose sslmode is disable, allow, prefer, require, ",
        ),
        (
            postgres,
            "url = \"postgres://h/d?password=a&b\"",
            "store.url: expected a URL that has no other parameters than sslmode, ",
        ),
        (
            postgres,
            "url = \"postgres://h/d\"\nurl_file = \"f\"",
            "store.url: given together with `url_file`",
        ),
        (
            postgres,
            "url_file = \"f\"",
            "store.url_file: the file that it names cannot be read (a relative path counts from ",
        ),
        (postgres, "url_file = \"\"", "store.url_file: expected the path of a file"),
        (amqp, "url = \"amqp://h\"\nprefix = \"Quhao\"", "queue.prefix: expected 1 to 32"),
        (id, "id = \"k1:x\"", "secrets.id: expected a list of texts"),
        (id, "id = []", "secrets.id: at least one key is needed"),
        (
            id,
            &format!("id = [\"k1:{KEY}\", \"k1:{OTHER_KEY}\"]"),
            "secrets.id: key number 1 stands twice",
        ),
        (id, &format!("id = [\"k1:{KEY}\", \"k256:{KEY}\"]"), "secrets.id[1]: expected \"kN:\""),
        (id, "id = [\"k1:AAAA\"]", "secrets.id[0]: expected \"kN:\""),
    ];
    for (from, to, expected) in cases {
        let main = least();
        assert!(main.contains(from));
        let error = Folder::with(&main.replace(from, to)).errors(&[]);
        assert!(error.starts_with(&format!("quhao.toml: {expected}")), "{to}\n{error}");
        assert_eq!(error.lines().count(), 1, "{to}\n{error}");
    }
}

#[test]
fn errors_in_variables_name_the_variable() {
    let folder = Folder::with(&least());
    let cases = [
        ("QUHAO__HTTP__LISTEN", "", "expected an IP address"),
        ("QUHAO__DRAIN_SECONDS", "soon", "expected a whole number from 1 to 600"),
        ("QUHAO__HTTP__LISTN", "x", "unknown key; did you mean QUHAO__HTTP__LISTEN?"),
        ("QUHAO__HTP__LISTEN", "x", "unknown key; did you mean QUHAO__HTTP__LISTEN?"),
        ("QUHAO__HTTP", "x", "unknown key"),
        ("QUHAO__", "x", "unknown key"),
        ("QUHAO__HTTP__LISTEN__", "x", "unknown key"),
        ("QUHAO__APPS__SECRET", "x", "unknown key"),
        ("QUHAO__STORE__URL", "mysql://x", "expected a URL"),
        ("QUHAO__STORE__URL_FILE", "no/such/file", "the file that it names cannot be read"),
    ];
    for (name, value, expected) in cases {
        let error = folder.errors(&[(name, value)]);
        let expected = format!("environment variable {name}: {expected}");
        assert!(error.starts_with(&expected), "{name}\n{error}");
        assert_eq!(error.lines().count(), 1, "{name}\n{error}");
    }
    let error = folder.errors(&[("RUST_LOG", "info,quhao=loud"), ("QUHAO__DRAIN_SECONDS", "0")]);
    let expected = [
        "environment variable QUHAO__DRAIN_SECONDS: expected a whole number from 1 to 600",
        "environment variable RUST_LOG: expected a filter such as \"info\" or \"quhao_worker=debug,info\"",
    ];
    assert_eq!(error.lines().collect::<Vec<_>>(), expected);
    let mut options = folder.options(&[]);
    options
        .environment
        .push(("QUHAO__STORE__URL".into(), std::ffi::OsString::from_vec(vec![0xff])));
    let error = Config::load(&options).unwrap_err().to_string();
    assert_eq!(error, "environment variable QUHAO__STORE__URL: expected UTF-8");
}

#[test]
fn errors_in_clients_and_apps_span_files() {
    let main = least() + &client("orders", DIGEST) + &app("wx1", "orders");
    let other = client("orders", &"0".repeat(64))
        + &client("copy", DIGEST)
        + &app("wx1", "orders")
        + &app("wx2", "nobody")
        + "[[apps]]\nid = \"wx 3\"\nclient = \"orders\"\nplatform = \"alipay\"\nsecrte = \"x\"\n";
    let error = Folder::with(&main).and("config.d/b.toml", &other).errors(&[]);
    let expected = [
        "config.d/b.toml: apps[2].secrte: unknown key; did you mean secret?",
        "config.d/b.toml: clients[0].name: the same as that of clients[0] in quhao.toml",
        "config.d/b.toml: clients[1].api_key_sha256: the same API key twice: a key belongs to one client",
        "config.d/b.toml: apps[0].id: the same as that of apps[0] in quhao.toml",
        "config.d/b.toml: apps[1].client: no [[clients]] block has this name",
        "config.d/b.toml: apps[2].id: expected 1 to 64 visible ASCII characters",
        "config.d/b.toml: apps[2].platform: expected one of: wechat",
        "config.d/b.toml: apps[2].secret: missing; give `secret` or `secret_file`",
    ];
    assert_eq!(error.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn unreadable_file_hides_no_other_error() {
    // Nothing is called missing that the broken file may have given, such as a client.
    let rest = format!("drain_seconds = 0\n{}", app("wx1", "orders"));
    let folder = Folder::with("[queue\nurl = 1").and("config.d/a.toml", &rest);
    let error = folder.errors(&[]);
    assert_eq!(
        error,
        "quhao.toml: not TOML: line 1, column 7\n\
         config.d/a.toml: drain_seconds: expected a whole number from 1 to 600"
    );

    let mut options = Folder::new().options(&[("QUHAO__DRAIN_SECONDS", "x")]);
    options.file = Some("nowhere.toml".into());
    let error = Config::load(&options).unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("nowhere.toml: cannot be read: "), "{text}");
    assert!(text.contains("\nenvironment variable QUHAO__DRAIN_SECONDS: "), "{text}");
    assert_eq!(error.iter().count(), 2);
    assert!(!error.only_missing());

    let large = format!("# {}\n", "x".repeat(1 << 20));
    let error = Folder::with(&large).errors(&[]);
    assert_eq!(error, "quhao.toml: cannot be read: more than 1048576 bytes");
}
