//! A test's own names at the broker.

use lapin::{
    Connection, ConnectionProperties,
    options::{ExchangeDeleteOptions, QueueDeclareOptions, QueueDeleteOptions},
    types::FieldTable,
};

use crate::{services, wait};

/// A random prefix. What a test declared under it is deleted when dropped.
#[derive(Debug)]
pub struct Prefix {
    name: String,
    broker: String,
}

impl Prefix {
    /// A new one.
    pub fn new() -> Self {
        let name = format!("quhao-test-{:016x}", rand::random::<u64>());
        Self { name, broker: services::amqp_url() }
    }

    /// The text for `queue.prefix`.
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// The names of the queues under it, those with jobs first.
    pub fn queues(&self) -> [String; 4] {
        ["jobs", "unrouted", "resume", "dead"].map(|part| format!("{}.{part}", self.name))
    }

    /// How many messages wait in the queues with jobs.
    pub async fn waiting(&self) -> u32 {
        let connection =
            Connection::connect(&services::amqp_url(), ConnectionProperties::default())
                .await
                .expect("a connection to the broker");
        let channel = connection.create_channel().await.expect("a channel");
        let mut waiting = 0;
        for queue in &self.queues()[..2] {
            let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
            let queue = channel
                .queue_declare(queue.as_str().into(), options, FieldTable::default())
                .await
                .expect("a declared queue");
            waiting += queue.message_count();
        }
        let _ = connection.close(200, "done".into()).await;
        waiting
    }

    /// The names of the exchanges under it.
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
        // Deleting what is not there is no error in AMQP 0-9-1. A broker that a test has
        // stopped takes the names with it.
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
