//! The two seams of quhao, queue and store, and what implements them.
//!
//! `queue` and `store` do not know each other; both may use `sqlite_file`.

mod schema_version;
pub mod queue;
pub mod store;
mod sqlite_file;
pub mod backend;
