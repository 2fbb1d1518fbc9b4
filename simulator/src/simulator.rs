//! The handle of a running simulator.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::{
    access_token::Ending,
    action::Action,
    call::Call,
    cipher::CipherError,
    counts::{ComponentCounts, Counts, RedeemCounts, TokenCounts},
    desk::Desk,
    endpoint::Endpoint,
    guest::{Guest, GuestSpec},
    login::{Login, LoginSpec},
    options::Options,
    platform::Platform,
    script::ScriptFull,
    server,
    tap::{Tap, TapSpec},
};

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

    /// A user taps the phone button: mints a phone code.
    pub fn tap(&self, spec: TapSpec) -> Tap {
        self.platform.tap(spec)
    }

    /// The script and the record of one endpoint. What is called `script_…`, `set_…`, `clear_…`, `calls` and
    /// `counts` on the simulator itself is about [`Endpoint::Jscode2session`] alone.
    pub fn at(&self, endpoint: Endpoint) -> &Desk {
        self.platform.desk(endpoint)
    }

    /// Queues actions for successive calls of `jscode2session` with this code, which need not exist. They
    /// come before those of [`Simulator::script_next`]. Queues all of them or none.
    pub fn script_code(
        &self,
        code: &str,
        actions: impl IntoIterator<Item = Action>,
    ) -> Result<(), ScriptFull> {
        self.at(Endpoint::Jscode2session).script_for(code, actions)
    }

    /// Queues actions for the next calls of `jscode2session`, whatever their code. Queues all of them or none.
    pub fn script_next(&self, actions: impl IntoIterator<Item = Action>) -> Result<(), ScriptFull> {
        self.at(Endpoint::Jscode2session).script_next(actions)
    }

    /// Delays every answer of `jscode2session` so much from now on (at most 60 s), in addition to a scripted
    /// latency.
    pub fn set_latency(&self, latency: Duration) {
        self.at(Endpoint::Jscode2session).set_latency(latency);
    }

    /// Answers this share of the calls of `jscode2session` without a scripted action -1 from now on; 0 to 1.
    pub fn set_busy_rate(&self, rate: f64) {
        self.at(Endpoint::Jscode2session).set_busy_rate(rate);
    }

    /// Forgets all queued actions, the latency and the busy rate of `jscode2session`.
    pub fn clear_script(&self) {
        self.at(Endpoint::Jscode2session).clear_script();
    }

    /// What happened at `jscode2session` since the start, in numbers.
    pub fn counts(&self) -> Counts {
        self.at(Endpoint::Jscode2session).ledger.tally().into()
    }

    /// What happened at `component/jscode2session` since the start, in numbers.
    pub fn component_counts(&self) -> ComponentCounts {
        self.at(Endpoint::ComponentJscode2session).ledger.tally().into()
    }

    /// What happened at `stable_token` since the start, in numbers.
    pub fn token_counts(&self) -> TokenCounts {
        self.platform.token_counts()
    }

    /// What happened at `getuserphonenumber` since the start, in numbers.
    pub fn redeem_counts(&self) -> RedeemCounts {
        self.at(Endpoint::Getuserphonenumber).ledger.tally().into()
    }

    /// The calls of `jscode2session` that ended, in that order, up to [`Options::max_calls`] of them.
    pub fn calls(&self) -> Vec<Call> {
        self.at(Endpoint::Jscode2session).calls()
    }

    /// How many calls named this login code, with or without a service provider, as long as the code is kept.
    pub fn calls_of(&self, code: &str) -> u32 {
        self.platform.codes.tally(code).0
    }

    /// How many calls were given this login code's session, as long as the code is kept: 0 or 1.
    pub fn exchanges_of(&self, code: &str) -> u32 {
        self.platform.codes.tally(code).1
    }

    /// How many calls named this phone code, as long as the code is kept.
    pub fn redeems_of(&self, phone_code: &str) -> u32 {
        self.platform.phone_codes.tally(phone_code).0
    }

    /// The app's access token as a fetch without force would give it now: the current one, or a new one.
    /// Counts as no call.
    #[expect(clippy::missing_panics_doc, reason = "cannot panic, see below")]
    pub fn access_token(&self, app_id: &str) -> String {
        #[expect(clippy::expect_used, reason = "only a forced refresh can be refused")]
        let granted = self.platform.tokens.fetch(app_id, false).expect("was not forced");
        granted.token.into()
    }

    /// Revokes the app's access tokens: their next use is answered 40001, the next fetch gives a new one.
    /// False if none was valid.
    pub fn revoke_access_token(&self, app_id: &str) -> bool {
        self.platform.tokens.end(app_id, Ending::Revoked)
    }

    /// Ends the life of the app's access tokens early: their next use is answered 42001, the next fetch gives
    /// a new one. False if none was valid.
    pub fn expire_access_token(&self, app_id: &str) -> bool {
        self.platform.tokens.end(app_id, Ending::Expired)
    }

    /// Gives the service provider a new token. The one before is answered 42001 from now on, one that never
    /// was 40001. False if there is no provider.
    pub fn set_component_token(&self, access_token: &str) -> bool {
        self.platform.component.set_token(access_token)
    }

    /// The app lets the service provider act for it, as every app does at first.
    pub fn authorize(&self, app_id: &str) {
        self.platform.component.authorize(app_id);
    }

    /// The app no longer lets the service provider act for it: answered 61003 from now on. False, without
    /// effect, if 10,000 other apps do not.
    pub fn deauthorize(&self, app_id: &str) -> bool {
        self.platform.component.deauthorize(app_id)
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
