//! A `RabbitMQ` that belongs to one test, and access to any broker.

use std::{
    process::{Command, Stdio},
    time::Duration,
};

use lapin::{
    BasicProperties, Connection, ConnectionProperties,
    options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions, QueueDeleteOptions},
    types::{AMQPValue, FieldTable},
};
use tokio::time::timeout;

use crate::{
    services::owned::{Kind, Service},
    wait::{eventually, within},
};

/// Longest that a broker may take to answer after its start: Erlang starts slowly on a busy
/// machine.
const START_LIMIT: Duration = Duration::from_secs(90);

/// Longest that a `rabbitmqctl` command may take.
const COMMAND_LIMIT: Duration = Duration::from_mins(1);

/// Longest that it may take to accept a connection.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// A resource that a broker may run short of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shortage {
    /// Memory.
    Memory,
    /// Space on its disk.
    Disk,
}

/// A broker under control of one test.
#[derive(Debug)]
pub struct Broker {
    service: Service,
}

impl Broker {
    /// Starts one and waits until it answers.
    pub async fn start() -> Self {
        let broker = Self { service: Service::make(Kind::Broker).await };
        broker.start_again().await;
        broker
    }

    /// Returns its address, password included.
    pub fn url(&self) -> String {
        self.service.url().expect("a broker that was started has an address")
    }

    /// Kills it (`kill -9`).
    pub async fn kill_9(&self) {
        self.service.kill_9().await;
    }

    /// Shuts it down: it closes its connections in order.
    pub async fn stop(&self) {
        self.ctl(&["shutdown"]).await;
        self.service.kill_9().await;
    }

    /// Starts it on the same port, with the data that it had, and returns once it answers.
    pub async fn start_again(&self) {
        self.service.start().await;
        let connecting = eventually("the broker answers", START_LIMIT, async || {
            connect(&self.service.url()?).await
        });
        hang_up(connecting.await).await;
    }

    /// Returns the end of its log.
    pub fn log_end(&self) -> String {
        self.service.log_end()
    }

    /// Runs a command of `rabbitmqctl` and returns its output.
    pub async fn ctl(&self, words: &[&str]) -> String {
        let mut command = Command::new(self.service.file("rabbitmqctl"));
        command.args(words).stdin(Stdio::null());
        let running = tokio::task::spawn_blocking(move || command.output().expect("rabbitmqctl"));
        let what = format!("rabbitmqctl {}", words.join(" "));
        let output = within(&what, COMMAND_LIMIT, running).await.expect("no panic");
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        assert!(output.status.success(), "{what}: {text}");
        text
    }

    /// Raises an alarm: publishers are blocked.
    pub async fn run_short_of(&self, what: Shortage) {
        match what {
            Shortage::Memory => self.ctl(&["set_vm_memory_high_watermark", "0.00001"]).await,
            Shortage::Disk => self.ctl(&["set_disk_free_limit", "9000000000000000"]).await,
        };
    }

    /// Ends the alarm.
    pub async fn has_enough_of(&self, what: Shortage) {
        match what {
            Shortage::Memory => self.ctl(&["set_vm_memory_high_watermark", "0.4"]).await,
            Shortage::Disk => self.ctl(&["set_disk_free_limit", "50000000"]).await,
        };
    }

    /// Closes all connections, in order.
    pub async fn close_connections(&self) {
        self.ctl(&["close_all_connections", "a test says so"]).await;
    }
}

/// Deletes a queue with all that is in it, at the broker at `url`.
pub async fn delete_queue(url: &str, name: &str) {
    let connection = let_in(url).await;
    let channel = connection.create_channel().await.expect("a channel");
    let options = QueueDeleteOptions::default();
    channel.queue_delete(name.into(), options).await.expect("a queue is deleted");
    hang_up(connection).await;
}

/// Returns how many messages are ready in these queues; `None` if one of them does not exist.
pub async fn ready(url: &str, queues: &[String]) -> Option<u32> {
    let lengths = QueueLengths::open(url, queues).await;
    let ready = lengths.ready().await;
    lengths.close().await;
    ready
}

/// The lengths of some queues, over one connection: opening one takes longer than asking.
pub struct QueueLengths {
    connection: Connection,
    queues: Vec<String>,
}

impl QueueLengths {
    /// Connects to the broker at `url`.
    pub async fn open(url: &str, queues: &[String]) -> Self {
        Self { connection: let_in(url).await, queues: queues.to_vec() }
    }

    /// Returns how many messages are ready; `None` if one of the queues does not exist.
    pub async fn ready(&self) -> Option<u32> {
        let mut ready = Some(0);
        for queue in &self.queues {
            // One of its own, since a queue that does not exist closes it.
            let channel = self.connection.create_channel().await.expect("a channel");
            let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
            let declaring =
                channel.queue_declare(queue.as_str().into(), options, FieldTable::default());
            match declaring.await {
                Ok(queue) => ready = ready.map(|sum: u32| sum + queue.message_count()),
                Err(_) => ready = None,
            }
            // Fails if the broker has closed it.
            let _ = channel.close(200, "done".into()).await;
        }
        ready
    }

    /// Closes the connection.
    pub async fn close(self) {
        hang_up(self.connection).await;
    }
}

/// Declares a durable quorum queue without any of the product's arguments.
pub async fn declare_plain(url: &str, name: &str) {
    let connection = let_in(url).await;
    let channel = connection.create_channel().await.expect("a channel");
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    channel.queue_declare(name.into(), options, arguments).await.expect("a queue is declared");
    hang_up(connection).await;
}

/// Publishes a message straight into a queue.
pub async fn publish(url: &str, queue: &str, body: &[u8]) {
    let connection = let_in(url).await;
    let channel = connection.create_channel().await.expect("a channel");
    channel.confirm_select(ConfirmSelectOptions { nowait: false }).await.expect("confirms");
    let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
    let sent = channel.basic_publish("".into(), queue.into(), options, body, properties).await;
    sent.expect("a message is sent").await.expect("a message is taken");
    hang_up(connection).await;
}

async fn let_in(url: &str) -> Connection {
    connect(url).await.expect("the broker lets us in")
}

async fn connect(url: &str) -> Option<Connection> {
    let connecting = Connection::connect(url, ConnectionProperties::default());
    timeout(CONNECT_LIMIT, connecting).await.ok()?.ok()
}

async fn hang_up(connection: Connection) {
    let _ = timeout(CONNECT_LIMIT, connection.close(200, "done".into())).await;
}
