//! How a simulator is started.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use crate::{access_token::LONGEST_LIFE, component::Component};

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

/// How a simulator is started. [`Options::default`] suits tests and the demo.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to listen; port 0 (the default, on 127.0.0.1) lets the system choose.
    pub listen: SocketAddr,
    /// The apps that exist, with their secrets. Looked at only without [`Options::accept_any_app`].
    pub apps: Vec<App>,
    /// Accepts every appid with every secret (the default). Codes still belong to the app they were minted for.
    pub accept_any_app: bool,
    /// The service provider that may exchange login codes of these apps; none by default. All apps that exist
    /// have authorised it until [`Simulator::deauthorize`](crate::Simulator::deauthorize).
    pub component: Option<Component>,
    /// The life of a login or phone code; five minutes by default, as documented.
    pub code_life: Duration,
    /// The life of an access token; two hours by default and at most. A token is replaced five minutes before
    /// its end, when its life is under twenty minutes a quarter of its life before; the old one then works
    /// for so much longer. Answers give whole seconds, rounded down, so a life of a few seconds is the least.
    pub token_life: Duration,
    /// Writes `countryCode` as a JSON number where a phone code is redeemed, as the example of the
    /// documentation does. Off by default: its table says string.
    pub country_code_as_number: bool,
    /// The content type of JSON answers; `text/plain` by default, since that is what WeChat often says.
    pub content_type: String,
    /// Adds `"errcode":0,"errmsg":"ok"` to sessions. Off by default: WeChat usually leaves them out.
    pub explicit_success: bool,
    /// How many login codes, and as many phone codes, are kept, about 0.4 KB each (default 1,000,000). When
    /// there are more, expired ones are forgotten first, then used ones, then the oldest; a forgotten code is
    /// answered 40029.
    pub max_codes: usize,
    /// How many calls of each endpoint are recorded (default 10,000; 0 records none). The oldest go first.
    pub max_calls: usize,
    /// How many connections are served at once (default 4,096); further ones wait to be accepted.
    pub max_connections: usize,
    /// Which guests come: the same seed gives the same sequence of phone numbers, openids and unionids.
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
            token_life: LONGEST_LIFE,
            country_code_as_number: false,
            content_type: "text/plain".to_owned(),
            explicit_success: false,
            max_codes: 1_000_000,
            max_calls: 10_000,
            max_connections: 4096,
            seed: 0,
        }
    }
}
