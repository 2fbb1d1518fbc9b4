//! Where the real services are.

use std::env;

/// The broker, as a user who may declare and delete queues.
pub fn amqp_url() -> String {
    url("QUHAO_TEST_AMQP_URL", "RabbitMQ")
}

/// The database server, as a user who may create databases.
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
