//! The official library of Standard Webhooks, used as a receiver would use it.

use std::{
    collections::HashMap,
    env,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

use serde_json::{Value, json};

use crate::receiver::Received;

/// Verifies a callback with the library. Returns its payload, or why it is rejected.
pub fn verify(secret: &str, callback: &Received) -> Result<Value, String> {
    let headers: HashMap<_, _> = callback.headers.iter().cloned().collect();
    let input = json!({"secret": secret, "headers": headers, "body": callback.body});
    let mut child = Command::new(python())
        .arg(here().join("support/verify_webhook.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the library's Python");
    let mut to_child = child.stdin.take().expect("it is piped");
    to_child.write_all(input.to_string().as_bytes()).expect("it reads");
    drop(to_child);
    let output = child.wait_with_output().expect("it ends");
    if output.status.success() {
        Ok(serde_json::from_slice(&output.stdout).expect("JSON"))
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// Returns the interpreter of the environment that `tests/standardwebhooks` makes.
fn python() -> &'static PathBuf {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let output = Command::new(here().join("standardwebhooks"))
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .expect("tests/standardwebhooks runs");
        assert!(output.status.success(), "tests/standardwebhooks has no library for us");
        let path = String::from_utf8(output.stdout).expect("a path");
        env::current_dir().expect("a folder").join(path.trim())
    })
}

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
