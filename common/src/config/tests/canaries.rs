//! No error contains a secret, whatever is wrong with it or beside it.

use std::fmt::Write;

use super::*;

const CANARY: &str = "c4n4ry";

/// Returns configurations that are wrong in every way, with the canary in every value that may
/// hold a secret.
fn wrong() -> Vec<(String, Vec<(&'static str, String)>)> {
    let value = |text: &str| (text.replace("CANARY", CANARY), Vec::new());
    let mut cases = vec![
        value("[queue]\nurl = \"amqp://u:CANARY@\"\n[store]\nurl = \"mysql://u:CANARY@h/d\""),
        value("[queue]\nurl = \"CANARY\"\nurl_file = \"CANARY\"\n[store]\nurl_file = \"CANARY\""),
        value("[queue]\nurl = [\"CANARY\"]\n[store]\nurl = {CANARY = 1}"),
        value("[queue]\nurl = \"amqp://u:CANARY@h/%2f?heartbeat=CANARY\"\n"),
        value("[store]\nurl = \"postgres://u:CANARY@h/d?sslmode=CANARY\"\n"),
        value("[store]\nurl = \"postgres://u:CANARY@h/d?CANARY=CANARY\"\n"),
        value("[store]\nurl = \"postgres://u:CANARY@h:CANARY/d\"\n"),
        value("[store]\nurl = \"postgres://h/d?port=CANARY&hostaddr=CANARY\"\n"),
        value("[store]\nurl = \"postgres://h/CANARY%ff?password=CANARY%ff\"\n"),
        value("[queue]\nurl = \"sqlite:CANARY?x\"\nprefix = \"CANARY !\"\n"),
        value("[secrets]\nid = [\"CANARY\", \"k1:CANARY\", \"k300:CANARY\"]\nseal = \"CANARY\""),
        value("[secrets]\nid_file = \"CANARY\"\nseal = [1, \"CANARY\"]"),
        value(
            "[[apps]]\nid = \"CANARY CANARY\"\nclient = \"CANARY\"\nplatform = \"CANARY\"\nsecret = \"CANARY ü\"",
        ),
        value(
            "[[apps]]\nid = \"wx\"\nclient = \"x\"\nsecret = [\"CANARY\"]\nsecret_file = \"CANARY\"",
        ),
        value("[[apps]]\nid = \"wx\"\nclient = \"x\"\nsecret_file = \"CANARY\""),
        value("[[clients]]\nname = \"CANARY CANARY\"\napi_key_sha256 = [\"CANARY\"]"),
        value("[[clients]]\nname = \"a\"\napi_key_sha256 = \"CANARY\""),
        value("[log]\nfilter = \"x=CANARY=y\"\nformat = \"CANARY\""),
        value("[platforms.wechat]\nbase_url = \"https://u:CANARY@h\"\n"),
        value("[platforms.wechat]\ncomponent_appid = \"CANARY CANARY\"\n"),
        value(
            "[platforms.wechat]\ncomponent_token_file = \"CANARY\"\ncomponent_token_command = [\"CANARY\"]",
        ),
        value("[platforms.wechat]\ncomponent_token_command = [\"\", \"CANARY\"]"),
        value("[callbacks]\nallow_networks = [\"CANARY\"]\nallow_http = \"CANARY\""),
        value(
            "[[clients]]\nname = \"a\"\nwebhook_secret = [\"CANARY\", \"whsec_CANARY\"]\nrate_burst = \"CANARY\"",
        ),
        value(
            "[[clients]]\nname = \"a\"\nwebhook_secret = \"CANARY\"\nwebhook_secret_file = \"x\"",
        ),
        value(
            "[[apps]]\nid = \"wx\"\ncredential = \"CANARY\"\ncallback_allow = [\"https://u:CANARY@h\", \"CANARY\"]\ncallback_body = \"CANARY\"",
        ),
        value("[[apps]]\nid = \"wx\"\ncredential = \"component\"\nsecret = \"CANARY\""),
        value("[http]\nlisten = \"CANARY\"\nconnections_max = \"CANARY\""),
        // Broken TOML with the secret on the broken line, and doubled keys.
        value("[secrets]\nid = [\"k1:CANARY\"\nseal = \"CANARY"),
        value("[store]\nurl = CANARY\n"),
        value("[store]\nurl = \"CANARY\"\nurl = \"CANARY\"\n"),
        value("[store]\nurl = 'CANARY\n"),
        value("[store]\nurl = \"\\CANARY\"\n"),
    ];
    for name in [
        "QUHAO__QUEUE__URL",
        "QUHAO__QUEUE__URL_FILE",
        "QUHAO__STORE__URL",
        "QUHAO__SECRETS__ID",
        "QUHAO__SECRETS__SEAL_FILE",
        "QUHAO__DRAIN_SECONDS",
        "QUHAO__APPS__0__SECRET",
        "QUHAO__LOG__FORMAT",
        "QUHAO__HTTP__LISTEN",
        "RUST_LOG",
    ] {
        cases.push((String::new(), vec![(name, format!("x://u:{CANARY}@h, {CANARY}"))]));
    }
    cases
}

#[test]
fn no_error_quotes_a_value() {
    for (main, variables) in wrong() {
        let variables: Vec<_> =
            variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let folder = Folder::with(&main);
        let errors = Config::load(&folder.options(&variables)).unwrap_err();
        let mut said = format!("{errors}\n{errors:?}\n");
        for error in errors.iter() {
            let mut cause: Option<&dyn std::error::Error> = Some(error);
            while let Some(error) = cause {
                let _ = write!(said, "\n{error} {error:?}\n");
                cause = error.source();
            }
        }
        // A key is not a value: `{CANARY = 1}` names one, and it is not reached.
        assert!(!said.contains(CANARY), "{main}\n{variables:?}\n{said}");
    }
}

#[test]
fn no_error_quotes_the_content_of_a_secret_file() {
    let main = "[queue]\nurl_file = \"f\"\n[store]\nurl_file = \"f\"\n[secrets]\nid_file = \"f\"\nseal_file = \"f\"\n\
                [[clients]]\nname = \"x\"\nwebhook_secret_file = \"f\"\n\
                [[apps]]\nid = \"wx\"\nclient = \"x\"\nsecret_file = \"f\"\n";
    for content in ["CANARY CANARY\n", "\n", "x://CANARY@y\nk1:CANARY\n"] {
        let folder = Folder::with(main).and("f", &content.replace("CANARY", CANARY));
        let errors = Config::load(&folder.options(&[])).unwrap_err();
        let said = format!("{errors}\n{errors:?}");
        assert!(!said.contains(CANARY), "{said}");
        for key in [
            "queue.url_file",
            "store.url_file",
            "secrets.id_file",
            "secrets.seal_file",
            "clients[0].webhook_secret_file",
            "apps[0].secret_file",
        ] {
            assert!(said.contains(key), "{key} in {said}");
        }
    }
}

#[test]
fn loaded_configuration_shows_no_secret() {
    let main = least().replace("guest:guest@", &format!("guest:{CANARY}@"))
        + &format!(
            "[platforms.wechat]\ncomponent_appid = \"wxc\"\ncomponent_token_command = [\"{CANARY}\"]\n"
        )
        + &client("orders", DIGEST)
        + &format!("webhook_secret = [\"whsec_{OTHER_KEY}\"]\n")
        + &app("wx1", "orders").replace("s3cret", CANARY)
        + &format!("callback_allow = [\"https://orders.example/{CANARY}\"]\n");
    let folder = Folder::with(&main);
    let config = folder.load(&[]).unwrap();
    for said in [format!("{config:?}"), folder.effective(&[])] {
        for secret in [CANARY, KEY, OTHER_KEY] {
            assert!(!said.contains(secret), "{said}");
        }
    }
}
