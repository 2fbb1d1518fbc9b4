//! Settings of queue and store, for tests that open them without a configuration file.

use std::{path::Path, time::Duration};

use quhao_common::config::{
    Queue, QueueUrl, Store, StoreUrl, broker_address::BrokerAddress, store_address::StoreAddress,
};

use super::prefix::Prefix;
use crate::services;

/// Returns the settings of a queue of RabbitMQ under `prefix`.
pub fn amqp(prefix: &Prefix) -> Queue {
    let address = BrokerAddress::parse(&services::amqp_url()).expect("the address of the broker");
    queue(QueueUrl::Amqp(address), prefix.as_str())
}

/// Returns the settings of a queue in the file at `path`.
pub fn sqlite_queue(path: &Path) -> Queue {
    queue(QueueUrl::Sqlite(path.to_owned()), "quhao")
}

/// Returns the settings of a store in the database at `url`.
pub fn postgres(url: &str) -> Store {
    store(StoreUrl::Postgres(StoreAddress::parse(url).expect("the address of the store")))
}

/// Returns the settings of a store in the file at `path`.
pub fn sqlite_store(path: &Path) -> Store {
    store(StoreUrl::Sqlite(path.to_owned()))
}

fn queue(url: QueueUrl, prefix: &str) -> Queue {
    Queue {
        url,
        prefix: prefix.to_owned(),
        confirm_timeout: Duration::from_secs(10),
        publish_window: 2048,
        heartbeat: Duration::from_secs(10),
        connect_timeout: Duration::from_secs(5),
        length_max: 100_000,
        delivery_limit: 20,
    }
}

fn store(url: StoreUrl) -> Store {
    Store {
        url,
        connections_max: 4,
        acquire_timeout: Duration::from_secs(10),
        statement_timeout: Duration::from_secs(10),
        retention: Duration::from_hours(24),
        session_retention: Duration::from_hours(72),
    }
}
