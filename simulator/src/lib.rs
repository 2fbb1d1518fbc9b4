//! A WeChat that misbehaves on request.
//!
//! [`Simulator`] listens on a local port and answers `GET /sns/jscode2session` as WeChat's documentation
//! says, word for word. It also plays the other side: users that log in ([`Simulator::login`]) and guests
//! that tap the phone button ([`Simulator::guest`]). Tests then script what goes wrong ([`Action`]): errors,
//! lost answers, half answers, resets, silence, proxy pages.
//!
//! It shares no code with what it is used to test: the worker decrypts with its own code, this crate
//! encrypts with its own. It writes no logs.
//!
//! Where things live: checks and answers of the exchange in `exchange`, login codes in `code`, session keys
//! in `session`, WeChat's error texts in `errcode`, encryption in `cipher`, the phone object in `payload`,
//! scripted behaviour in `action` and `script`, what happened in `call`, HTTP in `server`, `connection`,
//! `routes` and `control`.

mod action;
mod call;
mod cipher;
mod code;
mod connection;
mod control;
mod errcode;
mod exchange;
mod guest;
mod identifier;
mod lock;
mod login;
mod options;
mod payload;
mod platform;
mod response;
mod routes;
mod script;
mod server;
mod session;
mod simulator;

pub use action::Action;
pub use call::{Answer, Call, Counts};
pub use cipher::{CipherError, Encrypted, Padding, encrypt};
pub use guest::{Guest, GuestSpec};
pub use login::{KeyChoice, Login, LoginSpec};
pub use options::{App, Options};
pub use payload::{PhonePayload, Watermark};
pub use script::ScriptFull;
pub use simulator::Simulator;
