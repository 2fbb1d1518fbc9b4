//! A connection to the broker beside the product's, and the names of before.

use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties, ExchangeKind,
    message::BasicGetMessage,
    options::{
        BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions,
        QueueDeclareOptions,
    },
    types::{AMQPValue, FieldTable},
};
use quhao_tests::{
    config::{Backing, Mode},
    services,
    wait::{PATIENCE, eventually},
};
use serde_json::{Map, Value};

use super::{
    file::{number, read, text},
    product::{Opened, Seams},
};

/// A broker whose names begin with a test's own prefix instead of the usual one.
pub(super) struct Broker {
    pub(super) seams: Seams,
    connection: Connection,
    channel: Channel,
}

impl Broker {
    /// Connects to the broker. Nothing is declared yet.
    pub(super) async fn new() -> Self {
        let mut seams = Seams::new(Mode::Distributed).await;
        let file = read("broker.json");
        seams.queue.length_max = u64::try_from(number(&file, "length_max")).unwrap();
        seams.queue.delivery_limit = u32::try_from(number(&file, "delivery_limit")).unwrap();
        let properties = ConnectionProperties::default();
        let connection = Connection::connect(&services::amqp_url(), properties).await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        channel.confirm_select(ConfirmSelectOptions { nowait: false }).await.unwrap();
        Self { seams, connection, channel }
    }

    /// Returns a name of the file with this test's prefix in place of the usual one.
    fn name(&self, of: &Value, field: &str) -> String {
        let Backing::Servers { prefix, .. } = &self.seams.backing else { unreachable!() };
        let usual = text(&read("broker.json"), "prefix").to_owned();
        let rest = text(of, field).strip_prefix(&usual).expect("the usual prefix").to_owned();
        format!("{}{rest}", prefix.as_str())
    }

    /// Returns the arguments of a declaration.
    fn arguments(&self, of: &Value) -> FieldTable {
        let mut table = FieldTable::default();
        for (name, value) in of["arguments"].as_object().unwrap() {
            let value = match value.as_i64() {
                Some(number) => AMQPValue::LongLongInt(number),
                None if name.ends_with("-exchange") => {
                    AMQPValue::LongString(self.name(&of["arguments"], name).into())
                }
                None => AMQPValue::LongString(value.as_str().unwrap().into()),
            };
            table.insert(name.as_str().into(), value);
        }
        table
    }

    /// Declares an exchange that must be there already: the broker refuses to declare again what
    /// differs in kind or in any argument.
    pub(super) async fn declare_exchange_again(&self, of: &Value) {
        let kind = match text(of, "kind") {
            "direct" => ExchangeKind::Direct,
            "fanout" => ExchangeKind::Fanout,
            other => panic!("no exchange is {other}"),
        };
        let (name, arguments) = (self.name(of, "name"), self.arguments(of));
        for passive in [true, false] {
            let options = ExchangeDeclareOptions { durable: true, passive, ..Default::default() };
            let name_of = name.as_str().into();
            let declared =
                self.channel.exchange_declare(name_of, kind.clone(), options, arguments.clone());
            declared.await.unwrap_or_else(|error| panic!("exchange {name}: {error}"));
        }
    }

    /// Declares a queue in the same way.
    pub(super) async fn declare_queue_again(&self, of: &Value) {
        let (name, arguments) = (self.name(of, "name"), self.arguments(of));
        for passive in [true, false] {
            let options = QueueDeclareOptions { durable: true, passive, ..Default::default() };
            let declared =
                self.channel.queue_declare(name.as_str().into(), options, arguments.clone());
            declared.await.unwrap_or_else(|error| panic!("queue {name}: {error}"));
        }
    }

    /// Takes the next message out of the queue that `of` names.
    pub(super) async fn get(&self, of: &Value) -> BasicGetMessage {
        let queue = self.name(of, "queue");
        let what = format!("a message in {queue}");
        eventually(&what, PATIENCE, async || {
            let options = BasicGetOptions { no_ack: true };
            self.channel.basic_get(queue.as_str().into(), options).await.unwrap()
        })
        .await
    }

    /// Publishes to the exchange, with the key and the headers that `of` names.
    pub(super) async fn publish(&self, of: &Value, body: &[u8]) {
        let mut headers = FieldTable::default();
        for (name, value) in of["headers"].as_object().unwrap_or(&Map::new()) {
            let value = AMQPValue::LongString(value.as_str().unwrap().into());
            headers.insert(name.as_str().into(), value);
        }
        let properties = BasicProperties::default().with_delivery_mode(2).with_headers(headers);
        let (exchange, key) = (self.name(of, "exchange"), text(of, "key"));
        let options = BasicPublishOptions::default();
        let sent = self
            .channel
            .basic_publish(exchange.as_str().into(), key.into(), options, body, properties)
            .await;
        sent.unwrap().await.unwrap();
    }

    /// Closes both connections.
    pub(super) async fn close(self, opened: &Opened) {
        opened.close().await;
        self.connection.close(200, "done".into()).await.unwrap();
    }
}
