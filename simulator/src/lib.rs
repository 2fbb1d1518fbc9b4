//! A simulator of WeChat's server API that misbehaves on request.
//!
//! [`Simulator`] listens on a local port and answers four [`Endpoint`]s as WeChat's documentation
//! says, word for word: `jscode2session`, alone and for a service provider, `stable_token` and
//! `getuserphonenumber`. It also plays the mini-program's side: users that log in
//! ([`Simulator::login`]), users that tap the phone button ([`Simulator::phone_tap`]), and users
//! that do both ([`Simulator::user`]). Tests script what goes wrong ([`Action`]): errors, lost
//! responses, half responses, resets, silence, proxy pages. They can also revoke tokens and
//! withdraw authorisations.
//!
//! It shares no code with what it is used to test: the worker decrypts with its own code, this
//! crate encrypts with its own. It writes no logs.
//!
//! Reading order; each folder uses only those above it:
//! - `script`: what a test wants to go wrong.
//! - `wechat`: the rules of WeChat: codes, session keys, tokens, encryption, error numbers.
//! - `world`: the state of one simulated WeChat: its users, and what was called.
//! - `http`: connections, routes and the endpoints.
//! - `simulator`: the handle that tests hold.

mod script;
mod wechat;
mod world;
mod http;
mod simulator;

pub use script::ScriptFull;
pub use script::action::Action;
pub use simulator::Simulator;
pub use wechat::cipher::{CipherError, Encrypted, Padding, encrypt};
pub use wechat::component::Component;
pub use wechat::endpoint::Endpoint;
pub use wechat::phone_payload::{PhonePayload, Watermark};
pub use world::call_log::{Call, CallEnd};
pub use world::counts::{ComponentCounts, Counts, RedeemCounts, TokenCounts};
pub use world::frontend::Frontend;
pub use world::login::{KeyChoice, Login, LoginSpec};
pub use world::options::{App, Options};
pub use world::phone_tap::{PhoneTap, PhoneTapSpec};
pub use world::user::{User, UserSpec};
