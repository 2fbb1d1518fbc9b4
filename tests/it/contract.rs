//! The promises of the two seams, kept by every member: `…::distributed` runs against RabbitMQ
//! and Postgres, `…::embedded` against SQLite. Only the seams' own methods are used.

mod fixture;
mod in_flight;
mod queue;
mod store;
