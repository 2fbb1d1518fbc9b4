//! What tests stand on: real services, real processes, a platform that misbehaves.
//!
//! - [`services`]: where RabbitMQ and Postgres are; `tests/run` says so.
//! - [`database`], [`prefix`], [`folder`]: a test's own piece of each, removed when dropped.
//! - [`settings`]: the settings of a seam, for tests that open one themselves.
//! - [`config`], [`process`], [`client`]: a configuration file, a `quhao` process, its API.
//! - [`world`]: all of it together, in either mode.
//! - [`proxy`]: a link to be cut; [`clock`]: a clock that is off.
//! - [`service`], [`broker`], [`postgres`]: real services of a test's own, to be killed.
//! - [`load`], [`history`], [`figures`]: guests at a steady throughput, what happened to each and
//!   whether it was allowed to, and what was measured.
//! - [`reload`]: changing a configuration under running processes.
//! - [`receiver`]: where callbacks go; [`verifier`]: somebody else's judgement of them.
//! - [`wait`]: waiting for something to become true; no test sleeps for luck.
//!
//! Whatever goes wrong in here ends the test that asked, in plain words.

pub mod broker;
pub mod client;
pub mod clock;
pub mod config;
pub mod database;
pub mod figures;
pub mod folder;
pub mod history;
pub mod load;
pub mod metrics;
pub mod postgres;
pub mod prefix;
pub mod process;
pub mod proxy;
pub mod receiver;
pub mod reload;
pub mod service;
pub mod services;
pub mod settings;
pub mod verifier;
pub mod wait;
pub mod world;
