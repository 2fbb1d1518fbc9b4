//! The harness of the tests: real services, real processes, and a simulated platform.
//!
//! - [`services`]: where RabbitMQ and Postgres are, and a test's own piece of each, which is
//!   removed when dropped.
//! - [`config`], [`process`], [`client`], [`metrics`]: a configuration file, a `quhao`
//!   process, its API, its metrics.
//! - [`world`]: all of it together, in either mode; and changing its configuration.
//! - [`proxy`]: a network link that can be cut; [`receiver`]: a receiver of callbacks, and
//!   [`verifier`], which checks them with a library that is not ours.
//! - [`load`], [`history`], [`fault`]: clients at a steady rate, what happened to each job and
//!   whether it was allowed, and the runs in which a part breaks.
//! - [`wait`]: waiting for something to become true; no test sleeps for luck.
//!
//! Whatever goes wrong in here ends the test, in plain words.

pub use self::{
    fault::figures,
    process::clock,
    services::{broker, database, postgres, prefix, settings},
    world::reload,
};

pub mod client;
pub mod config;
pub mod fault;
pub mod history;
pub mod load;
pub mod metrics;
pub mod process;
pub mod proxy;
pub mod receiver;
pub mod services;
pub mod verifier;
pub mod wait;
pub mod world;
