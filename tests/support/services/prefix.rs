//! The names at the broker that belong to one test.

use lapin::{
    Connection, ConnectionProperties,
    options::{ExchangeDeleteOptions, QueueDeleteOptions},
};

use super::broker;
use crate::{services, wait};

/// A random prefix. What was declared under it is deleted when this is dropped.
#[derive(Debug)]
pub struct Prefix {
    name: String,
    broker: String,
}

impl Prefix {
    /// Creates a new one.
    pub fn new() -> Self {
        let name = format!("quhao-test-{:016x}", rand::random::<u64>());
        Self { name, broker: services::amqp_url() }
    }

    /// Returns the text for `queue.prefix`.
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// Returns the names of its queues: jobs, unrouted, outcomes, dead letters.
    pub fn queues(&self) -> [String; 4] {
        ["jobs", "unrouted", "resume", "dead"].map(|part| format!("{}.{part}", self.name))
    }

    /// Returns how many messages wait in the queues with jobs.
    pub async fn waiting(&self) -> u32 {
        let ready = broker::ready(&services::amqp_url(), &self.job_queues()).await;
        ready.expect("declared queues")
    }

    /// Returns the names of the queues with jobs.
    pub fn job_queues(&self) -> Vec<String> {
        self.queues()[..2].to_vec()
    }

    /// Returns the names of its exchanges.
    pub fn exchanges(&self) -> [String; 3] {
        [self.name.clone(), format!("{}.unrouted", self.name), format!("{}.dead", self.name)]
    }
}

impl Default for Prefix {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Prefix {
    fn drop(&mut self) {
        let (queues, exchanges) = (self.queues(), self.exchanges());
        let url = std::mem::take(&mut self.broker);
        // Deleting what does not exist is no error in AMQP 0-9-1. A broker that a test has
        // stopped needs no cleaning.
        wait::block_on(async move {
            let connection = Connection::connect(&url, ConnectionProperties::default()).await?;
            let channel = connection.create_channel().await?;
            for queue in queues {
                let options = QueueDeleteOptions::default();
                channel.queue_delete(queue.as_str().into(), options).await?;
            }
            for exchange in exchanges {
                let options = ExchangeDeleteOptions::default();
                channel.exchange_delete(exchange.as_str().into(), options).await?;
            }
            connection.close(200, "done".into()).await
        });
    }
}
