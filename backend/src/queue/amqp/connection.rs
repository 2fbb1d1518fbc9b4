//! One connection to the broker, and the means to end it for certain.
//!
//! lapin drives each connection from a thread of its own, which ends when the socket does.
//! While the broker blocks publishers that thread writes nothing, not even a close. And the
//! thread of an attempt to connect that was given up lives for as long as the peer keeps the
//! socket open. So a second handle of the socket is kept here: shutting it down ends thread
//! and connection, whatever state they are in.

use std::{
    io,
    net::{Shutdown, TcpStream},
    os::fd::AsFd,
    pin::pin,
    sync::{Arc, OnceLock, PoisonError, RwLock, Weak},
    time::Duration,
};

use futures_util::StreamExt;
use lapin::{
    Channel, ConnectionProperties, Event,
    tcp::{AsyncTcpStream, OwnedTLSConfig},
    uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo, SASLMechanism},
};
use secrecy::ExposeSecret;

use super::{
    direction::Direction,
    error::{LinkError, within},
};
use crate::queue::error::QueueError;
use quhao_common::config::{
    self,
    broker_address::{AuthMechanism, BrokerAddress},
};

/// How long an orderly close may take before the socket is shut down.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);

/// The broker's current address. A reload of the configuration may replace it, as when the
/// password changes.
pub(super) struct CurrentAddress(RwLock<AMQPUri>);

impl CurrentAddress {
    /// Reads the address in `settings`.
    pub(super) fn new(settings: &config::Queue) -> Result<Self, QueueError> {
        Ok(Self(RwLock::new(uri(settings)?)))
    }

    /// Uses the address in `settings` for new connections; those that are open stay.
    pub(super) fn replace(&self, settings: &config::Queue) -> Result<(), QueueError> {
        let mut uri = uri(settings)?;
        let mut current = self.0.write().unwrap_or_else(PoisonError::into_inner);
        // Not part of the URL.
        uri.query.heartbeat = current.query.heartbeat;
        *current = uri;
        Ok(())
    }

    fn get(&self) -> AMQPUri {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn uri(settings: &config::Queue) -> Result<AMQPUri, QueueError> {
    let config::QueueUrl::Amqp(address) = &settings.url else {
        return Err(QueueError::Settings("queue.url is not an AMQP URL".to_owned()));
    };
    Ok(driver_uri(address, settings.heartbeat))
}

/// Returns an address as the driver takes it.
fn driver_uri(address: &BrokerAddress, heartbeat: Duration) -> AMQPUri {
    let heartbeat_seconds = u16::try_from(heartbeat.as_secs()).unwrap_or(u16::MAX);
    let parameters = &address.parameters;
    AMQPUri {
        scheme: if address.is_tls { AMQPScheme::AMQPS } else { AMQPScheme::AMQP },
        authority: AMQPAuthority {
            userinfo: AMQPUserInfo {
                username: address.user.clone(),
                password: address.password.expose_secret().to_owned(),
            },
            host: address.host.clone(),
            port: address.port,
        },
        vhost: address.virtual_host.clone(),
        query: AMQPQueryString {
            frame_max: parameters.frame_bytes_max,
            channel_max: parameters.channels_max,
            heartbeat: Some(heartbeat_seconds.max(1)),
            connection_timeout: parameters.connection_timeout_ms,
            auth_mechanism: parameters.auth_mechanism.map(driver_mechanism),
        },
    }
}

fn driver_mechanism(mechanism: AuthMechanism) -> SASLMechanism {
    match mechanism {
        AuthMechanism::AmqPlain => SASLMechanism::AMQPlain,
        AuthMechanism::Anonymous => SASLMechanism::Anonymous,
        AuthMechanism::External => SASLMechanism::External,
        AuthMechanism::Plain => SASLMechanism::Plain,
        AuthMechanism::RabbitCrDemo => SASLMechanism::RabbitCrDemo,
    }
}

/// What a connection is made from.
pub(super) struct Endpoint {
    address: Arc<CurrentAddress>,
    /// The connection's name in the broker's list.
    name: String,
    /// The time limit of each step of connecting.
    pub(super) limit: Duration,
}

impl Endpoint {
    /// Creates the endpoint of one direction.
    pub(super) fn new(
        settings: &config::Queue,
        address: &Arc<CurrentAddress>,
        direction: Direction,
    ) -> Self {
        let name = format!("{}.{}", settings.prefix, direction.as_str());
        Self { address: Arc::clone(address), name, limit: settings.connect_timeout }
    }
}

/// The second handle of a connection's socket. Dropping it ends the connection.
#[derive(Default)]
struct Socket(OnceLock<TcpStream>);

impl Socket {
    fn shut_down(&self) {
        if let Some(socket) = self.0.get() {
            // An error means that it is closed already.
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.shut_down();
    }
}

/// An open connection. Dropping it ends it at once; [`Connection::close`] does so in order.
pub(super) struct Connection {
    pub(super) lapin: Arc<lapin::Connection>,
    socket: Arc<Socket>,
    /// The time limit of each step of connecting, and of each request later.
    pub(super) limit: Duration,
}

impl Connection {
    /// Connects, within the endpoint's limit.
    pub(super) async fn open(endpoint: &Endpoint) -> Result<Self, LinkError> {
        let limit = endpoint.limit;
        let socket = Arc::new(Socket::default());
        let handle = Arc::downgrade(&socket);
        let properties =
            ConnectionProperties::default().with_connection_name(endpoint.name.as_str().into());
        let opening = lapin::Connection::connector(
            endpoint.address.get(),
            lapin::runtime::default_runtime()?,
            async move |uri: AMQPUri, runtime| {
                let connecting = async {
                    let host = (uri.authority.host.clone(), uri.authority.port);
                    let address = runtime.to_socket_addrs(host);
                    let stream = AsyncTcpStream::connect(&runtime, address).await?;
                    if let AsyncTcpStream::Plain(plain) = &stream {
                        keep(&handle, plain.get_ref())?;
                    }
                    match uri.scheme {
                        AMQPScheme::AMQP => Ok(stream),
                        AMQPScheme::AMQPS => {
                            let tls = OwnedTLSConfig::default();
                            stream.into_tls(&uri.authority.host, tls.as_ref()).await
                        }
                    }
                };
                let connected = tokio::time::timeout(limit, connecting).await;
                Ok(connected.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??)
            },
            properties,
        );
        let lapin = Arc::new(within(limit, "connecting", opening).await?);
        Ok(Self { lapin, socket, limit })
    }

    /// Opens a new channel.
    pub(super) async fn channel(&self) -> Result<Channel, LinkError> {
        within(self.limit, "opening a channel", self.lapin.create_channel()).await
    }

    /// Waits until the connection has ended and returns why.
    pub(super) async fn ended(&self) -> LinkError {
        let mut events = pin!(self.lapin.events_listener());
        while let Some(event) = events.next().await {
            // An error of one channel, such as that which asks for depths, need not end it.
            if let Event::Error(error) = event
                && !self.lapin.status().connected()
            {
                return error.into();
            }
        }
        LinkError::Closed
    }

    /// Closes a channel in order: the broker answers once it has handled all that was sent on
    /// the channel.
    pub(super) async fn close_channel(&self, channel: &Channel) {
        if self.lapin.status().blocked() {
            return;
        }
        if let Err(error) = within(CLOSE_LIMIT, "closing", channel.close(200, "OK".into())).await {
            tracing::debug!(%error, "a channel to the broker did not close in order");
        }
    }

    /// Closes the connection in order if that is possible, and ends it in any case.
    pub(super) async fn close(&self) {
        if self.lapin.status().connected() && !self.lapin.status().blocked() {
            let close = self.lapin.close(200, "OK".into());
            if let Err(error) = within(CLOSE_LIMIT, "closing", close).await {
                tracing::debug!(%error, "the connection to the broker did not close in order");
            }
        }
        self.socket.shut_down();
    }
}

/// Keeps a second handle of the socket, unless the attempt to connect was given up.
fn keep(handle: &Weak<Socket>, stream: &impl AsFd) -> io::Result<()> {
    let socket =
        handle.upgrade().ok_or_else(|| io::Error::from(io::ErrorKind::ConnectionAborted))?;
    let copy = stream.as_fd().try_clone_to_owned()?;
    // Set once: this connection is made once.
    let _ = socket.0.set(TcpStream::from(copy));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The configuration refuses what the driver would, and both read the same.
    #[test]
    fn addresses_are_read_as_the_driver_reads_them() {
        for url in [
            "amqp://broker",
            "amqp://broker/",
            "amqps://broker/%2f",
            "amqp://us%65r:p%40ss@broker.example:5673/v%2fh?frame_max=8192&channel_max=9",
            "amqps://:secret@broker?connection_timeout=700&auth_mechanism=EXTERNAL&x=y",
            "amqp://user@127.0.0.1:5672/%2f?frame_max=1&frame_max=x",
            "amqp://br%6fker/v",
            "amqp://us%ffer@broker",
            "amqp://broker/%ff",
            "amqp://broker?heartbeat=x",
            "amqp://broker?channel_max=65536",
            "amqp://broker?auth_mechanism=kerberos",
            "amqp:broker",
            "broker",
        ] {
            let mut drivers: Option<AMQPUri> = url.parse().ok();
            if let Some(uri) = &mut drivers {
                uri.query.heartbeat = Some(7);
            }
            let ours = BrokerAddress::parse(url);
            let ours = ours.map(|address| driver_uri(&address, Duration::from_secs(7)));
            assert_eq!(ours, drivers, "{url}");
        }
    }
}
