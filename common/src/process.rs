//! What every process of quhao needs to run.

pub mod backoff;
pub mod error_chain;
pub mod http_server;
pub mod metrics;
pub mod per_client_share;
pub mod registry;
pub mod telemetry;
pub mod tls;
