//! One exchange, queue or binding, and how it is declared.

use lapin::{
    Channel, ErrorKind, ExchangeKind,
    options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    protocol::{AMQPErrorKind, AMQPSoftError},
    types::{AMQPValue, FieldTable, ShortString},
};

/// Arguments of a queue or an exchange, by name.
pub(super) type Arguments = Vec<(&'static str, AMQPValue)>;

/// One thing to declare.
pub(super) enum Declaration {
    Exchange { name: String, kind: ExchangeKind, arguments: Arguments },
    Queue { name: String, arguments: Arguments },
    Binding { queue: String, exchange: String, key: &'static str },
}

impl Declaration {
    /// Declares it.
    pub(super) async fn declare(&self, channel: &Channel) -> Result<(), lapin::Error> {
        match self {
            Self::Exchange { name, kind, arguments } => {
                let options = ExchangeDeclareOptions {
                    passive: false,
                    durable: true,
                    auto_delete: false,
                    internal: false,
                    nowait: false,
                };
                let name = short(name);
                channel.exchange_declare(name, kind.clone(), options, table(arguments)).await
            }
            Self::Queue { name, arguments } => {
                let options = QueueDeclareOptions {
                    passive: false,
                    durable: true,
                    exclusive: false,
                    auto_delete: false,
                    nowait: false,
                };
                channel.queue_declare(short(name), options, table(arguments)).await.map(drop)
            }
            Self::Binding { queue, exchange, key } => {
                let options = QueueBindOptions { nowait: false };
                let queue = short(queue);
                let exchange = short(exchange);
                channel
                    .queue_bind(queue, exchange, short(key), options, FieldTable::default())
                    .await
            }
        }
    }

    /// Fails if it does not exist. AMQP has no way to ask for a binding, so a missing one is
    /// not found out.
    pub(super) async fn check_exists(&self, channel: &Channel) -> Result<(), lapin::Error> {
        match self {
            Self::Exchange { name, kind, .. } => {
                let options = ExchangeDeclareOptions {
                    passive: true,
                    durable: true,
                    auto_delete: false,
                    internal: false,
                    nowait: false,
                };
                let name = short(name);
                channel.exchange_declare(name, kind.clone(), options, FieldTable::default()).await
            }
            Self::Queue { name, .. } => declare_passively(channel, name).await.map(drop),
            Self::Binding { .. } => Ok(()),
        }
    }

    /// Returns its kind and name for the log.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Exchange { name, .. } => format!("exchange {name}"),
            Self::Queue { name, .. } => format!("queue {name}"),
            Self::Binding { queue, exchange, .. } => format!("binding {exchange} to {queue}"),
        }
    }
}

/// Returns the number of ready messages of a queue that must exist.
pub(super) async fn declare_passively(channel: &Channel, name: &str) -> Result<u32, lapin::Error> {
    let options = QueueDeclareOptions {
        passive: true,
        durable: true,
        exclusive: false,
        auto_delete: false,
        nowait: false,
    };
    let queue = channel.queue_declare(short(name), options, FieldTable::default()).await?;
    Ok(queue.message_count())
}

/// Returns whether the broker refused a declaration: 406, it exists with other arguments, or
/// 403, this user may not declare.
pub(super) fn is_refusal(error: &lapin::Error) -> bool {
    let ErrorKind::ProtocolError(error) = error.kind() else { return false };
    matches!(
        error.kind(),
        AMQPErrorKind::Soft(AMQPSoftError::PRECONDITIONFAILED | AMQPSoftError::ACCESSREFUSED)
    )
}

/// Converts a name, which was checked to be short enough when the settings were read.
pub(super) fn short(name: &str) -> ShortString {
    name.into()
}

/// Converts a text argument.
pub(super) fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.into())
}

fn table(arguments: &[(&'static str, AMQPValue)]) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in arguments {
        table.insert((*name).into(), value.clone());
    }
    table
}
