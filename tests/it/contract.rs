//! The promises of the two data seams, kept by every member: `…::distributed` runs against
//! RabbitMQ and Postgres, `…::embedded` against SQLite. Only the seams' own verbs are used.

mod app_erasure;
mod bundles;
mod callbacks;
mod claims;
mod copies;
mod erasure;
mod erasure_race;
mod ground;
mod in_flight;
mod lanes;
mod migration;
mod news;
mod outcome;
mod person_erasure;
mod purge;
mod queue;
mod queue_end;
mod retention;
mod session;
mod session_handle;
mod store;
