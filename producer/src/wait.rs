//! Requests that wait for a result (`Prefer: wait=N`).
//!
//! One listener and one batched query (`watch.rs`) serve all of them: a waiter costs an entry
//! in a map, neither a connection nor a query. The number of waiters is bounded, and where
//! there are several clients, one has half of the room at most.

mod waiters;
mod watch;

pub(crate) use self::{
    waiters::{Lookup, WaitFor, Waiter, Waiters},
    watch::watch_store,
};
