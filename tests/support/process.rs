//! A `quhao` process: the real program, its log and its exit.

use std::{
    ffi::OsStr,
    fs,
    io::{BufRead, BufReader, Read},
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    thread,
    time::Duration,
};

use serde_json::Value;

use crate::wait::eventually;

pub mod clock;

/// Longest log that is kept, in bytes. A process that logs more fails its test.
const LOG_BYTES_MAX: usize = 64 << 20;

/// The log of a process so far.
#[derive(Debug, Default)]
struct Log {
    lines: Vec<String>,
    bytes: usize,
}

/// A running program, killed when dropped.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: Arc<Mutex<Log>>,
    readers: Vec<thread::JoinHandle<()>>,
}

impl Process {
    /// Starts `quhao` with these arguments and additional environment variables.
    pub fn spawn<A: AsRef<OsStr>>(arguments: &[A], variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(binary());
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.env_remove("RUST_LOG");
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("QUHAO_") {
                command.env_remove(name);
            }
        }
        command.envs(variables.iter().copied());
        let mut child =
            command.spawn().unwrap_or_else(|e| panic!("cannot start {}: {e}", binary().display()));
        let log = Arc::new(Mutex::new(Log::default()));
        let mut readers = Vec::new();
        if let Some(output) = child.stdout.take() {
            readers.push(collect(output, &log));
        }
        if let Some(output) = child.stderr.take() {
            readers.push(collect(output, &log));
        }
        let words = arguments.iter().map(|part| part.as_ref().to_string_lossy().into_owned());
        Self { name: words.collect::<Vec<_>>().join(" "), child, log, readers }
    }

    /// Returns its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the first log line (a flat JSON object) with this message, and returns it. Fails
    /// the test when the process ends before, or `limit` passes.
    pub async fn wait_for_log(&mut self, message: &str, limit: Duration) -> Value {
        let what = format!("`{}` logs {message:?}", self.name);
        eventually(&what, limit, || {
            let found = self.log_fields(message);
            assert!(
                found.is_some() || self.is_running(),
                "`{}` ended before it logged {message:?}:\n{}",
                self.name,
                self.log()
            );
            async { found }
        })
        .await
    }

    /// Returns the first log line (a flat JSON object) with this message, if there is one.
    pub fn log_fields(&self, message: &str) -> Option<Value> {
        self.locked_log().lines.iter().find_map(|line| {
            let line: Value = serde_json::from_str(line).ok()?;
            (line["message"] == message).then_some(line)
        })
    }

    /// Returns everything that it has printed on both outputs.
    pub fn log(&self) -> String {
        self.locked_log().lines.join("\n")
    }

    /// Sends it a signal by name: `TERM`, `INT`, `HUP`, `STOP`, `CONT`.
    pub fn signal(&self, name: &str) {
        let status =
            Command::new("kill").arg(format!("-{name}")).arg(self.id().to_string()).status();
        assert!(status.is_ok_and(|status| status.success()), "kill -{name} of `{}`", self.name);
    }

    /// Asks it to end (SIGTERM).
    pub fn terminate(&self) {
        self.signal("TERM");
    }

    /// Kills it (`kill -9`) and waits until it has ended.
    pub fn kill_9(&mut self) {
        // Fails only when it has ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }

    /// Waits until it has ended and returns its status; [`Process::log`] is complete then. Fails
    /// the test after `limit`.
    pub async fn wait_exit(&mut self, limit: Duration) -> ExitStatus {
        let what = format!("`{}` ends", self.name);
        let status = eventually(&what, limit, || {
            let status = self.child.try_wait().expect("our own child");
            async move { status }
        })
        .await;
        for reader in self.readers.drain(..) {
            drop(reader.join());
        }
        status
    }

    /// Returns whether it has not ended yet.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("our own child").is_none()
    }

    /// Returns the processor time that it has used.
    pub fn cpu_time(&self) -> Duration {
        let stat = self.proc_file("stat");
        // The second field is the program's name in parentheses, which may hold spaces.
        let fields: Vec<&str> =
            stat.rsplit(") ").next().unwrap_or_default().split_whitespace().collect();
        let ticks: u64 =
            [11, 12].iter().filter_map(|at| fields.get(*at)?.parse::<u64>().ok()).sum();
        Duration::from_millis(ticks * 1000 / ticks_per_second())
    }

    /// Returns the memory that it holds, in bytes.
    pub fn resident_bytes(&self) -> u64 {
        let status = self.proc_file("status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
        kib.expect("VmRSS in /proc/PID/status") * 1024
    }

    fn proc_file(&self, name: &str) -> String {
        let path = format!("/proc/{}/{name}", self.id());
        fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"))
    }

    fn locked_log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill_9();
        for reader in self.readers.drain(..) {
            drop(reader.join());
        }
        if thread::panicking() {
            // The test harness shows this with the failure.
            let (log, name) = (self.log(), &self.name);
            let lines: Vec<&str> = log.lines().collect();
            let end = lines[lines.len().saturating_sub(40)..].join("\n");
            #[expect(clippy::print_stderr, reason = "part of a failed test's report")]
            {
                eprintln!("--- the end of the log of `{name}` ---\n{end}");
            }
        }
    }
}

/// Reads `output` to its end on a thread of its own: a process must never wait for its reader.
fn collect(output: impl Read + Send + 'static, log: &Arc<Mutex<Log>>) -> thread::JoinHandle<()> {
    let log = Arc::clone(log);
    thread::spawn(move || {
        for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).into_owned();
            let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
            log.bytes += line.len();
            assert!(log.bytes <= LOG_BYTES_MAX, "a log of more than {LOG_BYTES_MAX} bytes");
            log.lines.push(line);
        }
    })
}

fn ticks_per_second() -> u64 {
    static TICKS: OnceLock<u64> = OnceLock::new();
    *TICKS.get_or_init(|| {
        let output = Command::new("getconf").arg("CLK_TCK").output().ok();
        output.and_then(|o| String::from_utf8_lossy(&o.stdout).trim().parse().ok()).unwrap_or(100)
    })
}

/// Returns the program: what `tests/run` has built, or built here, once, in the tests' own
/// profile.
fn binary() -> &'static PathBuf {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| match std::env::var_os("QUHAO_TEST_BINARY") {
        Some(path) => path.into(),
        None => build(),
    })
}

fn build() -> PathBuf {
    let output = Command::new(env!("CARGO"))
        .args(["build", "-p", "quhao", "--message-format=json-render-diagnostics"])
        .args(["--profile", &profile()])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .stdin(Stdio::null())
        .output()
        .expect("cargo runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo build -p quhao:\n{errors}");
    let messages = String::from_utf8_lossy(&output.stdout);
    let executable = messages.lines().find_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        message["executable"].as_str().map(PathBuf::from)
    });
    executable.expect("cargo names the program that it built")
}

/// Returns the profile that this program was built with, by the folder that it is in; tests are
/// one deeper.
fn profile() -> String {
    let here = std::env::current_exe().expect("our own path");
    let mut folders = here.ancestors().skip(1).filter_map(|path| path.file_name());
    let folder = folders.find(|name| *name != "deps").unwrap_or_default();
    match folder.to_string_lossy().as_ref() {
        "debug" => "dev".to_owned(),
        other => other.to_owned(),
    }
}
