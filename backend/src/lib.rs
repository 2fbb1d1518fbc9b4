//! quhao's two seams, queue and store, and what implements them.
//!
//! `queue` and `store` do not know each other; both may use `sqlite_file`, and `backend` opens
//! them together.

mod schema_version;
mod sqlite_file;
pub mod queue;
pub mod store;
pub mod backend;
