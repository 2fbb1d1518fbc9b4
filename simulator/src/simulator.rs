//! The handle of a running simulator.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::action::Action;
use crate::call::{Call, Counts};
use crate::cipher::CipherError;
use crate::guest::{Guest, GuestSpec};
use crate::login::{Login, LoginSpec};
use crate::options::Options;
use crate::platform::Platform;
use crate::script::ScriptFull;
use crate::server;

/// How long [`Simulator::stop`] waits for its tasks.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// A running simulator. Dropping it stops it; [`Simulator::stop`] also waits until it has stopped.
pub struct Simulator {
    address: SocketAddr,
    platform: Arc<Platform>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Simulator {
    /// Starts listening; ready for calls when it returns. Fails when the address cannot be had.
    ///
    /// Must be called within a Tokio runtime with I/O and time enabled.
    pub async fn start(options: Options) -> io::Result<Self> {
        let listener = TcpListener::bind(options.listen).await?;
        let address = listener.local_addr()?;
        let platform = Arc::new(Platform::new(options));
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        tasks.spawn(server::run(listener, Arc::clone(&platform), tasks.clone(), stop.clone()));
        Ok(Self { address, platform, tasks, stop })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What stands in for `https://api.weixin.qq.com`: `http://127.0.0.1:…`, without a slash at the end.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A new guest logs in and taps the phone button.
    #[expect(clippy::missing_panics_doc, reason = "cannot panic, see below")]
    pub fn guest(&self, app_id: &str) -> Guest {
        #[expect(clippy::expect_used, reason = "a new user's session key is always 16 bytes")]
        self.platform.guest(GuestSpec::new(app_id)).expect("a new user's session key is good")
    }

    /// A guest with a given phone or openid logs in and taps. Fails when [`LoginSpec::session_key`] gave this
    /// user a key that is none.
    pub fn guest_with(&self, spec: GuestSpec) -> Result<Guest, CipherError> {
        self.platform.guest(spec)
    }

    /// A user calls `wx.login`: mints a code.
    pub fn login(&self, spec: &LoginSpec) -> Login {
        self.platform.login(spec)
    }

    /// The user's current session key: what a tap now is encrypted under.
    pub fn session_key(&self, app_id: &str, openid: &str) -> String {
        self.platform.keys.current(app_id, openid)
    }

    /// Queues actions for successive calls with this code, which need not exist. They come before those of
    /// [`Simulator::script_next`]. Queues all of them or none.
    pub fn script_code(
        &self,
        code: &str,
        actions: impl IntoIterator<Item = Action>,
    ) -> Result<(), ScriptFull> {
        self.platform.script.queue(Some(code), actions.into_iter().collect())
    }

    /// Queues actions for the next calls, whatever their code. Queues all of them or none.
    pub fn script_next(&self, actions: impl IntoIterator<Item = Action>) -> Result<(), ScriptFull> {
        self.platform.script.queue(None, actions.into_iter().collect())
    }

    /// Delays every answer so much from now on (at most 60 s), in addition to a scripted latency.
    pub fn set_latency(&self, latency: Duration) {
        self.platform.script.set_latency(latency);
    }

    /// Answers this share of the calls without a scripted action -1 from now on; 0 to 1.
    pub fn set_busy_rate(&self, rate: f64) {
        self.platform.script.set_busy_rate(rate);
    }

    /// Forgets all queued actions, the latency and the busy rate.
    pub fn clear_script(&self) {
        self.platform.script.clear();
    }

    /// What happened since the start, in numbers.
    pub fn counts(&self) -> Counts {
        self.platform.ledger.counts()
    }

    /// The calls that ended, in that order, up to [`Options::max_calls`] of them.
    pub fn calls(&self) -> Vec<Call> {
        self.platform.ledger.records()
    }

    /// How many calls named this code, as long as the code is kept.
    pub fn calls_of(&self, code: &str) -> u32 {
        self.platform.codes.tally(code).0
    }

    /// How many calls were given this code's session, as long as the code is kept: 0 or 1.
    pub fn exchanges_of(&self, code: &str) -> u32 {
        self.platform.codes.tally(code).1
    }

    /// Stops listening, gives calls under way a second to end, and waits for all tasks, at most 5 s.
    pub async fn stop(self) {
        self.stop.cancel();
        self.tasks.close();
        let _ = tokio::time::timeout(STOP_LIMIT, self.tasks.wait()).await;
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
