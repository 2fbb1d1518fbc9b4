//! The promises of the two data seams, kept by every member: `…::distributed` runs against
//! RabbitMQ and Postgres, `…::embedded` against SQLite. Only the seams' own verbs are used.

mod ground;
mod in_flight;
mod purge;
mod queue;
mod queue_end;
mod session;
mod store;
