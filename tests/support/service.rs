//! A real service of a test's own: killed, frozen, stopped and started again at will.
//!
//! `tests/services` makes it and keeps it, in a process group of its own, on loopback ports
//! that stay the same. It ends with the test, however that ends.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::{folder::Folder, wait::within};

/// How many such services of one kind run at once: what two processors carry beside the
/// product, without anybody's time limits being met by the waiting alone.
const AT_ONCE: usize = 2;

static BROKERS: Semaphore = Semaphore::const_new(AT_ONCE);
static DATABASES: Semaphore = Semaphore::const_new(AT_ONCE);

/// Longest that making one may take: packages may have to be installed.
const MAKE_LIMIT: Duration = Duration::from_mins(10);

/// Longest that a service may take to end after it was asked to.
const END_LIMIT: Duration = Duration::from_secs(30);

/// Longest that the keeper may take to end; beyond, it is killed.
const LEAVE_LIMIT: Duration = Duration::from_secs(70);

/// Which service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `RabbitMQ`; of another release where `QUHAO_TEST_BROKER` says so.
    Broker,
    /// Postgres.
    Database,
}

/// What is sent to processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Ends it at once.
    Kill,
    /// Keeps it from running.
    Stop,
    /// Lets it run again.
    Continue,
    /// Postgres ends: its sessions are told.
    Interrupt,
    /// Postgres ends at once, as after a crash.
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

/// One service.
#[derive(Debug)]
pub struct Service {
    keeper: Arc<Mutex<Keeper>>,
    folder: Folder,
    _turn: SemaphorePermit<'static>,
}

impl Service {
    /// Makes one, waiting for its turn. It does not run yet.
    pub async fn make(kind: Kind) -> Self {
        let (turns, word) = match kind {
            Kind::Broker => (&BROKERS, "rabbitmq"),
            Kind::Database => (&DATABASES, "postgres"),
        };
        let turn = turns.acquire().await.expect("never closed");
        let folder = Folder::new();
        let mut command = script();
        command.arg("--make").arg(folder.path()).arg(word).stdin(Stdio::null());
        let making = tokio::task::spawn_blocking(move || command.output().expect("tests/services"));
        let output = within("a service is made", MAKE_LIMIT, making).await.expect("no panic");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "tests/services --make {word}: {said}");
        let keeper = Arc::new(Mutex::new(Keeper::hire(&folder)));
        Self { keeper, folder, _turn: turn }
    }

    /// Runs it, for the first time or again. Does not wait until it answers.
    pub async fn start(&self) {
        self.tell("start".to_owned()).await;
    }

    /// Sends a signal to every process of it.
    pub async fn all(&self, signal: Signal) {
        self.tell(format!("all {}", signal.name())).await;
    }

    /// Sends a signal to the first of its processes alone.
    pub async fn first(&self, signal: Signal) {
        self.tell(format!("first {}", signal.name())).await;
    }

    /// Waits until it has ended. Only then it may be started again.
    pub async fn ended(&self) {
        self.tell("ended".to_owned()).await;
    }

    /// Ends it without a word.
    pub async fn kill_9(&self) {
        self.all(Signal::Kill).await;
        self.ended().await;
    }

    /// Its address; `None` while it has none yet.
    pub fn url(&self) -> Option<String> {
        let url = fs::read_to_string(self.folder.join("url")).ok()?;
        Some(url.trim().to_owned())
    }

    /// A file that was made with it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The end of what it has said.
    pub fn log_end(&self) -> String {
        let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    async fn tell(&self, line: String) {
        let keeper = Arc::clone(&self.keeper);
        let what = format!("the keeper of a service did {line:?}");
        let told = tokio::task::spawn_blocking(move || {
            keeper.lock().unwrap_or_else(PoisonError::into_inner).tell(&line);
        });
        within(&what, END_LIMIT, told).await.expect("the keeper answers");
    }
}

/// The process that keeps a service. The service ends when its input does.
#[derive(Debug)]
struct Keeper {
    process: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Keeper {
    fn hire(folder: &Folder) -> Self {
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

    /// Says a line and waits for the answer.
    fn tell(&mut self, line: &str) {
        let input = self.input.as_mut().expect("it was not dismissed");
        writeln!(input, "{line}").expect("the keeper listens");
        let mut answer = String::new();
        self.output.read_line(&mut answer).expect("the keeper answers");
        assert_eq!(answer.split_whitespace().next(), line.split_whitespace().next());
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.input = None;
        let end = Instant::now() + LEAVE_LIMIT;
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
