//! The options of a simulator.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use crate::wechat::access_token::LIFE_MAX;
use crate::wechat::component::Component;

/// A mini-program that the simulated WeChat knows.
#[derive(Clone, PartialEq, Eq)]
pub struct App {
    /// The appid, such as `wx4f4bc4dec97d474b`.
    pub app_id: String,
    /// Its `AppSecret`.
    pub secret: String,
}

impl fmt::Debug for App {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("App").field("app_id", &self.app_id).finish_non_exhaustive()
    }
}

/// The options of a simulator. [`Options::default`] suits tests and the demo.
#[derive(Clone, Debug)]
pub struct Options {
    /// The address to listen on. Port 0 (the default, on 127.0.0.1) lets the system choose.
    pub listen: SocketAddr,
    /// The apps that exist, with their secrets. Has no effect with [`Options::accept_any_app`].
    pub apps: Vec<App>,
    /// Accepts every appid with every secret (the default). Codes still belong to the app they were
    /// minted for.
    pub accept_any_app: bool,
    /// The service provider that may exchange login codes of these apps. None by default. Every app
    /// has authorised it until [`Simulator::deauthorize`](crate::Simulator::deauthorize).
    pub component: Option<Component>,
    /// The life of a login or phone code. Five minutes by default, as documented.
    pub code_life: Duration,
    /// The life of an access token. Two hours by default and at most.
    ///
    /// A token is replaced five minutes before its end, or a quarter of its life before if that is
    /// shorter. The old one works until its end. Answers give whole seconds, rounded down, so the
    /// life should be a few seconds at least.
    pub token_life: Duration,
    /// Writes `countryCode` as a JSON number where a phone code is redeemed, as the example in the
    /// documentation does. Off by default: the documentation's table says string.
    pub country_code_as_number: bool,
    /// The content type of JSON answers. `text/plain` by default, since WeChat often says that.
    pub content_type: String,
    /// Adds `"errcode":0,"errmsg":"ok"` to sessions. Off by default: WeChat usually leaves them
    /// out.
    pub explicit_success: bool,
    /// How many login codes, and as many phone codes, are kept, about 0.4 KB each (default
    /// 1,000,000). If there are more, expired codes are forgotten first, then used ones, then the
    /// oldest. A forgotten code is answered 40029.
    pub codes_max: usize,
    /// How many calls of each endpoint are recorded (default 10,000; 0 records none). The oldest
    /// are forgotten first.
    pub calls_max: usize,
    /// How many connections are served at once (default 4,096). Further ones wait to be accepted.
    pub connections_max: usize,
    /// The seed of the users: the same seed gives the same phone numbers, openids and unionids.
    /// Codes, tokens, session keys and ivs are random at every start.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            apps: Vec::new(),
            accept_any_app: true,
            component: None,
            code_life: Duration::from_mins(5),
            token_life: LIFE_MAX,
            country_code_as_number: false,
            content_type: "text/plain".to_owned(),
            explicit_success: false,
            codes_max: 1_000_000,
            calls_max: 10_000,
            connections_max: 4096,
            seed: 0,
        }
    }
}
