//! Real services: where they are, and what belongs to one test.
//!
//! - [`database`], [`prefix`]: a test's own piece of the services that all tests share.
//! - [`broker`], [`postgres`]: services that belong to one test, so that it may kill them.
//! - [`settings`]: settings of queue and store, for tests that open them themselves.

use std::env;

pub mod broker;
pub mod database;
mod owned;
pub mod postgres;
pub mod prefix;
pub mod settings;

/// Returns the broker's address, for a user who may declare and delete queues.
pub fn amqp_url() -> String {
    url("QUHAO_TEST_AMQP_URL", "RabbitMQ")
}

/// Returns the database server's address, for a user who may create databases.
pub fn database_url() -> String {
    url("QUHAO_TEST_DATABASE_URL", "Postgres")
}

fn url(variable: &str, service: &str) -> String {
    match env::var(variable) {
        Ok(url) if !url.is_empty() => url,
        _ => panic!(
            "{variable} is not set, and this test needs a real {service}.\n\
             Run `tests/run`, which starts one for the tests; or keep `tests/services` open \
             and paste the variables that it prints."
        ),
    }
}
