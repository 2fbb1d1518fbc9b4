//! Tokens that are issued elsewhere: read from a file, or printed by a program.
//!
//! Errors are fixed texts: the content of a file or of a program's output may be anything.

use std::{path::Path, process::Stdio, time::Duration};

use secrecy::SecretString;
use tokio::{
    fs::{self, File},
    io::{AsyncRead, AsyncReadExt},
    process::Command,
    time::timeout,
};
use zeroize::Zeroizing;

use super::value::{TOKEN_BYTES_MAX, is_well_formed};

/// The time limit of reading the file, and of the program from its start to its end.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The largest output that is read, in bytes: a token with some white space around it.
const OUTPUT_BYTES_MAX: usize = TOKEN_BYTES_MAX + 256;
/// The prefix of environment variables that are kept from the program: they may hold quhao's own
/// configuration, secrets included.
const OWN_VARIABLES: &str = "QUHAO_";

/// Reads the token in the file at `path`.
pub(super) async fn from_file(path: &Path) -> Result<SecretString, &'static str> {
    let reading = async {
        // Opening a pipe would wait for somebody to write to it.
        let is_file = fs::metadata(path).await.is_ok_and(|metadata| metadata.is_file());
        if !is_file {
            return Err("there is no such file");
        }
        let mut file = File::open(path).await.map_err(|_| "the file cannot be opened")?;
        read(&mut file).await
    };
    timeout(TIMEOUT, reading).await.unwrap_or(Err("reading the file took too long"))
}

/// Runs the program `words` and returns the token that it prints. It is killed if it takes too
/// long or prints too much; its standard error is discarded.
pub(super) async fn from_command(words: &[String]) -> Result<SecretString, &'static str> {
    let (program, arguments) = words.split_first().ok_or("there is no program")?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    command.kill_on_drop(true);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with(OWN_VARIABLES) {
            command.env_remove(name);
        }
    }
    let running = async {
        let mut child = command.spawn().map_err(|_| "the program cannot be started")?;
        let mut output = child.stdout.take().ok_or("the program has no output")?;
        let token = read(&mut output).await;
        // Before waiting for its end: it may be about to print more.
        drop(output);
        let status = child.wait().await.map_err(|_| "the program's end is unknown")?;
        if status.success() { token } else { Err("the program failed") }
    };
    timeout(TIMEOUT, running).await.unwrap_or(Err("the program took too long"))
}

async fn read(from: &mut (impl AsyncRead + Unpin)) -> Result<SecretString, &'static str> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(OUTPUT_BYTES_MAX + 1));
    let most = u64::try_from(OUTPUT_BYTES_MAX + 1).unwrap_or(u64::MAX);
    from.take(most).read_to_end(&mut bytes).await.map_err(|_| "it cannot be read")?;
    if bytes.len() > OUTPUT_BYTES_MAX {
        return Err("there is more than a token");
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| "what is there is no token")?.trim();
    if text.is_empty() {
        return Err("nothing is there");
    }
    if !is_well_formed(text) {
        return Err("what is there is no token");
    }
    Ok(SecretString::from(text))
}
