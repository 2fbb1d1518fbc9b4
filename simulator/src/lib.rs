//! A WeChat that misbehaves on request.
//!
//! [`Simulator`] listens on a local port and answers four [`Endpoint`]s as WeChat's documentation says, word
//! for word: `jscode2session`, alone and for a service provider, `stable_token` and `getuserphonenumber`. It
//! also plays the other side: users that log in ([`Simulator::login`]), users that tap the phone button
//! ([`Simulator::tap`]), and guests that do both ([`Simulator::guest`]). Tests then script what goes wrong
//! ([`Action`]): errors, lost answers, half answers, resets, silence, proxy pages; they revoke tokens and
//! withdraw authorisations.
//!
//! It shares no code with what it is used to test: the worker decrypts with its own code, this crate
//! encrypts with its own. It writes no logs.
//!
//! Where things live: checks and answers in `exchange`, `stable_token` and `redeem`; codes in `code`, tokens in
//! `access_token`, the service provider in `component`, session keys in `session`; WeChat's error texts in
//! `errcode`, encryption in `cipher`, the phone object in `payload`; what every call goes through in
//! `pending`, what an endpoint has of its own in `desk`, scripted behaviour in `action` and `script`, what
//! happened in `call`, `counts` and `ledger`; HTTP in `server`, `connection`, `routes` and `control`.

mod access_token;
mod action;
mod body;
mod call;
mod cipher;
mod code;
mod component;
mod connection;
mod control;
mod counts;
mod desk;
mod endpoint;
mod errcode;
mod exchange;
mod guest;
mod identifier;
mod ledger;
mod lock;
mod login;
mod options;
mod payload;
mod pending;
mod platform;
mod redeem;
mod response;
mod routes;
mod script;
mod server;
mod session;
mod simulator;
mod stable_token;
mod tap;

pub use action::Action;
pub use call::{Answer, Call};
pub use cipher::{CipherError, Encrypted, Padding, encrypt};
pub use component::Component;
pub use counts::{ComponentCounts, Counts, RedeemCounts, TokenCounts};
pub use desk::Desk;
pub use endpoint::Endpoint;
pub use guest::{Guest, GuestSpec};
pub use login::{KeyChoice, Login, LoginSpec};
pub use options::{App, Options};
pub use payload::{PhonePayload, Watermark};
pub use script::ScriptFull;
pub use simulator::Simulator;
pub use tap::{Tap, TapSpec};
