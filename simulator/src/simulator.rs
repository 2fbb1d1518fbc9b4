//! The handle that tests hold: starts, scripts, observes and stops a simulator.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::http::server;
use crate::script::ScriptFull;
use crate::script::action::Action;
use crate::wechat::access_token::Invalidation;
use crate::wechat::cipher::CipherError;
use crate::wechat::endpoint::Endpoint;
use crate::world::call_log::Call;
use crate::world::counts::{ComponentCounts, Counts, RedeemCounts, TokenCounts};
use crate::world::frontend::Frontend;
use crate::world::login::{Login, LoginSpec};
use crate::world::options::Options;
use crate::world::phone_tap::{PhoneTap, PhoneTapSpec};
use crate::world::platform::Platform;
use crate::world::user::{User, UserSpec};

/// The longest time that [`Simulator::stop`] waits.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// A running simulator. Dropping it stops it; [`Simulator::stop`] also waits until it has stopped.
pub struct Simulator {
    address: SocketAddr,
    platform: Arc<Platform>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Simulator {
    /// Starts listening. Ready for calls when it returns. Fails if it cannot listen on the address.
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

    /// Returns the address on which it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns what replaces `https://api.weixin.qq.com`: `http://127.0.0.1:…`, without a slash at
    /// the end.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Creates a new user, who logs in and taps the phone button.
    #[expect(clippy::missing_panics_doc, reason = "cannot panic, see below")]
    pub fn user(&self, app_id: &str) -> User {
        #[expect(clippy::expect_used, reason = "a new user's session key is always 16 bytes")]
        self.platform.user(UserSpec::new(app_id)).expect("a new user's session key is valid")
    }

    /// Creates a user with a given phone or openid, who logs in and taps the phone button. Fails if
    /// [`LoginSpec::session_key`] gave this user a malformed key.
    pub fn user_with(&self, spec: UserSpec) -> Result<User, CipherError> {
        self.platform.user(spec)
    }

    /// Logs a user in, as `wx.login` does: mints a login code.
    pub fn login(&self, spec: &LoginSpec) -> Login {
        self.platform.login(spec)
    }

    /// Returns the user's current session key, under which phone numbers are encrypted now.
    pub fn session_key(&self, app_id: &str, openid: &str) -> String {
        self.platform.session_keys.current(app_id, openid)
    }

    /// Lets a user tap the phone button: mints a phone code.
    pub fn phone_tap(&self, spec: PhoneTapSpec) -> PhoneTap {
        self.platform.phone_tap(spec)
    }

    /// Returns the script and the call log of one endpoint. The functions `script_…`, `set_…`,
    /// `clear_…`, `calls` and `counts` of the simulator itself are for
    /// [`Endpoint::Jscode2session`].
    pub fn at(&self, endpoint: Endpoint) -> &Frontend {
        self.platform.frontend(endpoint)
    }

    /// Queues actions for successive calls of `jscode2session` with this code, which need not
    /// exist. These actions come before those of [`Simulator::script_next`]. Queues all of them or
    /// none.
    pub fn script_code(
        &self,
        code: &str,
        actions: impl IntoIterator<Item = Action>,
    ) -> Result<(), ScriptFull> {
        self.at(Endpoint::Jscode2session).script_for(code, actions)
    }

    /// Queues actions for the next calls of `jscode2session`, whatever their code. Queues all of
    /// them or none.
    pub fn script_next(&self, actions: impl IntoIterator<Item = Action>) -> Result<(), ScriptFull> {
        self.at(Endpoint::Jscode2session).script_next(actions)
    }

    /// Delays every answer of `jscode2session` by this much from now on (at most 60 s), in addition
    /// to a scripted latency.
    pub fn set_latency(&self, latency: Duration) {
        self.at(Endpoint::Jscode2session).set_latency(latency);
    }

    /// Answers this share of the calls of `jscode2session` without a scripted action -1 from now
    /// on: 0 to 1.
    pub fn set_busy_rate(&self, rate: f64) {
        self.at(Endpoint::Jscode2session).set_busy_rate(rate);
    }

    /// Removes all queued actions, the latency and the busy rate of `jscode2session`.
    pub fn clear_script(&self) {
        self.at(Endpoint::Jscode2session).clear_script();
    }

    /// Returns the numbers of calls of `jscode2session` since the start.
    pub fn counts(&self) -> Counts {
        self.at(Endpoint::Jscode2session).call_log.totals().into()
    }

    /// Returns the numbers of calls of `component/jscode2session` since the start.
    pub fn component_counts(&self) -> ComponentCounts {
        self.at(Endpoint::ComponentJscode2session).call_log.totals().into()
    }

    /// Returns the numbers of calls of `stable_token` since the start.
    pub fn token_counts(&self) -> TokenCounts {
        self.platform.token_counts()
    }

    /// Returns the numbers of calls of `getuserphonenumber` since the start.
    pub fn redeem_counts(&self) -> RedeemCounts {
        self.at(Endpoint::Getuserphonenumber).call_log.totals().into()
    }

    /// Returns the last calls of `jscode2session`, in the order in which they ended, at most
    /// [`Options::calls_max`].
    pub fn calls(&self) -> Vec<Call> {
        self.at(Endpoint::Jscode2session).calls()
    }

    /// Returns how many calls named this login code, with or without a service provider, as long as
    /// the code is kept.
    pub fn calls_of(&self, code: &str) -> u32 {
        self.platform.login_codes.counts(code).calls
    }

    /// Returns how many calls were given this login code's session, as long as the code is kept: 0
    /// or 1.
    pub fn exchanges_of(&self, code: &str) -> u32 {
        self.platform.login_codes.counts(code).exchanges
    }

    /// Returns how many calls named this phone code, as long as the code is kept.
    pub fn redeems_of(&self, phone_code: &str) -> u32 {
        self.platform.phone_codes.counts(phone_code).calls
    }

    /// Returns the app's access token as `stable_token` would give it now without force: the
    /// current one, or a new one. Is not counted as a call.
    pub fn access_token(&self, app_id: &str) -> String {
        self.platform.access_tokens.issue(app_id).token.into()
    }

    /// Revokes the app's access tokens: their next use is answered 40001, and the next fetch gives
    /// a new one. Returns whether one was valid.
    pub fn revoke_access_token(&self, app_id: &str) -> bool {
        self.platform.access_tokens.invalidate(app_id, Invalidation::Revoked)
    }

    /// Makes the app's access tokens expire now: their next use is answered 42001, and the next
    /// fetch gives a new one. Returns whether one was valid.
    pub fn expire_access_token(&self, app_id: &str) -> bool {
        self.platform.access_tokens.invalidate(app_id, Invalidation::Expired)
    }

    /// Gives the service provider a new token. From now on, the earlier one is answered 42001, and
    /// one that never existed 40001. Returns whether there is a provider.
    pub fn set_component_token(&self, access_token: &str) -> bool {
        self.platform.component.set_token(access_token)
    }

    /// Lets the service provider act for the app, as it may for every app at first.
    pub fn authorize(&self, app_id: &str) {
        self.platform.component.authorize(app_id);
    }

    /// Forbids the service provider to act for the app: answered 61003 from now on. Returns false,
    /// without effect, if 10,000 other apps have forbidden it.
    pub fn deauthorize(&self, app_id: &str) -> bool {
        self.platform.component.deauthorize(app_id)
    }

    /// Stops listening, gives calls in flight a second to end, and waits for all tasks, at most
    /// five seconds.
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
