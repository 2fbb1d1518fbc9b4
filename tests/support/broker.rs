//! A `RabbitMQ` of a test's own.

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
    service::{Kind, Service},
    wait::{eventually, within},
};

/// Longest that a broker may take to answer after its start: Erlang is slow to wake up on a
/// busy machine.
const START_LIMIT: Duration = Duration::from_secs(90);

/// Longest that a command of its own may take.
const COMMAND_LIMIT: Duration = Duration::from_mins(1);

/// Longest that it may take to let somebody in.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// What a broker may run short of.
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
    /// One that answers.
    pub async fn start() -> Self {
        let broker = Self { service: Service::make(Kind::Broker).await };
        broker.start_again().await;
        broker
    }

    /// Its address, password included.
    pub fn url(&self) -> String {
        self.service.url().expect("a broker that was started has an address")
    }

    /// Ends it without a word.
    pub async fn kill_9(&self) {
        self.service.kill_9().await;
    }

    /// Ends it in peace: connections are told.
    pub async fn stop(&self) {
        self.ctl(&["shutdown"]).await;
        self.service.kill_9().await;
    }

    /// Starts it on the same port, with the data that it had, and returns once it answers.
    pub async fn start_again(&self) {
        self.service.start().await;
        let looking = eventually("the broker answers", START_LIMIT, async || {
            connect(&self.service.url()?).await
        });
        let connection = looking.await;
        hang_up(connection).await;
    }

    /// What its processes have said last.
    pub fn log_end(&self) -> String {
        self.service.log_end()
    }

    /// Runs a command of `rabbitmqctl`; what it says.
    pub async fn ctl(&self, words: &[&str]) -> String {
        let mut command = Command::new(self.service.file("rabbitmqctl"));
        command.args(words).stdin(Stdio::null());
        let running = tokio::task::spawn_blocking(move || command.output().expect("rabbitmqctl"));
        let what = format!("rabbitmqctl {}", words.join(" "));
        let output = within(&what, COMMAND_LIMIT, running).await.expect("no panic");
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        assert!(output.status.success(), "{what}: {said}");
        said
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

    /// Ends all connections, with a word to each.
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

/// How many messages are ready in these queues; `None` if one of them is not there.
pub async fn ready(url: &str, queues: &[String]) -> Option<u32> {
    let connection = let_in(url).await;
    let mut ready = Some(0);
    for queue in queues {
        let channel = connection.create_channel().await.expect("a channel");
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let declared =
            channel.queue_declare(queue.as_str().into(), options, FieldTable::default()).await;
        ready = ready.zip(declared.ok()).map(|(sum, queue)| sum + queue.message_count());
    }
    hang_up(connection).await;
    ready
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

/// Puts a message straight into a queue.
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
