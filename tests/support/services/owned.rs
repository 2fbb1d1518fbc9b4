//! A real service that belongs to one test: it can be killed, frozen, stopped and restarted.
//!
//! `tests/services` makes it and supervises it, in a process group of its own, on loopback
//! ports that stay the same. It ends with the test, however that ends.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::PathBuf,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use tokio::sync::{Semaphore, SemaphorePermit};

use tempfile::TempDir;

use crate::wait::within;

/// How many such services of one kind run at once: as many as two processors can run beside
/// the product without time limits passing for want of a processor.
const RUNNING_MAX: usize = 2;

static BROKERS: Semaphore = Semaphore::const_new(RUNNING_MAX);
static DATABASES: Semaphore = Semaphore::const_new(RUNNING_MAX);

/// Longest that making one may take: packages may have to be installed.
const MAKE_LIMIT: Duration = Duration::from_mins(10);

/// Longest that a service may take to end after it was asked to.
const END_LIMIT: Duration = Duration::from_secs(30);

/// Longest that the supervisor may take to end before it is killed.
const SUPERVISOR_END_LIMIT: Duration = Duration::from_secs(70);

/// The kind of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `RabbitMQ`; of another release where `QUHAO_TEST_BROKER` says so.
    Broker,
    /// Postgres.
    Database,
}

/// A signal to processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signal {
    /// Kills a process.
    Kill,
    /// Stops a process.
    Stop,
    /// Lets a stopped process run again.
    Continue,
    /// Ends Postgres in order.
    Interrupt,
    /// Ends Postgres at once, as in a crash.
    Quit,
}

impl Signal {
    fn name(self) -> &'static str {
        match self {
            Self::Kill => "KILL",
            Self::Stop => "STOP",
            Self::Continue => "CONT",
            Self::Interrupt => "INT",
            Self::Quit => "QUIT",
        }
    }
}

/// A service that belongs to one test.
#[derive(Debug)]
pub(super) struct Service {
    supervisor: Arc<Mutex<Supervisor>>,
    folder: TempDir,
    _permit: SemaphorePermit<'static>,
}

impl Service {
    /// Makes one, once fewer than the maximum run. It does not run yet.
    pub(super) async fn make(kind: Kind) -> Self {
        let (permits, name) = match kind {
            Kind::Broker => (&BROKERS, "rabbitmq"),
            Kind::Database => (&DATABASES, "postgres"),
        };
        let permit = permits.acquire().await.expect("never closed");
        // Postgres runs as another user where tests run as root, and has to pass through.
        let folder = tempfile::Builder::new()
            .permissions(fs::Permissions::from_mode(0o711))
            .tempdir()
            .expect("a temporary folder");
        let mut command = script();
        command.arg("--make").arg(folder.path()).arg(name).stdin(Stdio::null());
        let making = tokio::task::spawn_blocking(move || command.output().expect("tests/services"));
        let output = within("a service is made", MAKE_LIMIT, making).await.expect("no panic");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "tests/services --make {name}: {errors}");
        let supervisor = Arc::new(Mutex::new(Supervisor::start(&folder)));
        Self { supervisor, folder, _permit: permit }
    }

    /// Starts it, for the first time or again. Does not wait until it answers.
    pub(super) async fn start(&self) {
        self.command("start".to_owned()).await;
    }

    /// Sends a signal to every process of it.
    pub(super) async fn all(&self, signal: Signal) {
        self.command(format!("all {}", signal.name())).await;
    }

    /// Sends a signal to the first of its processes alone.
    pub(super) async fn first(&self, signal: Signal) {
        self.command(format!("first {}", signal.name())).await;
    }

    /// Waits until it has ended. Only then may it be started again.
    pub(super) async fn ended(&self) {
        self.command("ended".to_owned()).await;
    }

    /// Kills it (`kill -9`) and waits until it has ended.
    pub(super) async fn kill_9(&self) {
        self.all(Signal::Kill).await;
        self.ended().await;
    }

    /// Returns its address; `None` while it has none.
    pub(super) fn url(&self) -> Option<String> {
        let url = fs::read_to_string(self.folder.path().join("url")).ok()?;
        Some(url.trim().to_owned())
    }

    /// Returns the path of a file that was made with it.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Returns the end of its log.
    pub(super) fn log_end(&self) -> String {
        let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    async fn command(&self, line: String) {
        let supervisor = Arc::clone(&self.supervisor);
        let what = format!("the supervisor of a service did {line:?}");
        let running = tokio::task::spawn_blocking(move || {
            supervisor.lock().unwrap_or_else(PoisonError::into_inner).command(&line);
        });
        within(&what, END_LIMIT, running).await.expect("the supervisor answers");
    }
}

/// The process that supervises a service. The service ends when its input does.
#[derive(Debug)]
struct Supervisor {
    process: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Supervisor {
    fn start(folder: &TempDir) -> Self {
        let mut process = script()
            .arg("--keep")
            .arg(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // So that it can end the service whatever ends the test.
            .process_group(0)
            .spawn()
            .expect("tests/services");
        let input = process.stdin.take();
        let output = BufReader::new(process.stdout.take().expect("its output is piped"));
        Self { process, input, output }
    }

    /// Sends a command and waits for the answer.
    fn command(&mut self, line: &str) {
        let input = self.input.as_mut().expect("open until dropped");
        writeln!(input, "{line}").expect("the supervisor reads");
        let mut answer = String::new();
        self.output.read_line(&mut answer).expect("the supervisor answers");
        assert_eq!(answer.split_whitespace().next(), line.split_whitespace().next());
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.input = None;
        let end = Instant::now() + SUPERVISOR_END_LIMIT;
        while self.process.try_wait().is_ok_and(|status| status.is_none()) {
            if Instant::now() > end {
                drop(self.process.kill());
                drop(self.process.wait());
                break;
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}

fn script() -> Command {
    let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/services"));
    command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    command
}
