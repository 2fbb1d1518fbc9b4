//! One connection to the broker, and the means to end it for certain.
//!
//! lapin drives each connection from a thread of its own, which ends when the socket
//! does. While the broker blocks publishers that thread writes nothing, not even a
//! close; and an attempt to connect that is given up keeps its thread for as long as the
//! peer keeps the socket open. So a second handle of the socket is kept here, and
//! shutting it down ends thread and connection, whatever state they are in.

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
    Channel, Connection, ConnectionProperties, Event,
    tcp::{AsyncTcpStream, OwnedTLSConfig},
    uri::{AMQPScheme, AMQPUri},
};
use secrecy::ExposeSecret;

use super::error::{LinkError, within};
use crate::queue::{amqp::supervisor::Direction, error::QueueError};
use quhao_common::config;

/// How long a close may take before the socket is shut down.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);

/// Where the broker is: as of the last reading of the configuration, in which the
/// password may be another one.
pub(super) struct Address(RwLock<AMQPUri>);

impl Address {
    pub(super) fn new(settings: &config::Queue) -> Result<Self, QueueError> {
        Ok(Self(RwLock::new(uri(settings)?)))
    }

    /// Connections from now on go where `settings` say; those that are there stay.
    pub(super) fn replace(&self, settings: &config::Queue) -> Result<(), QueueError> {
        let mut uri = uri(settings)?;
        let mut now = self.0.write().unwrap_or_else(PoisonError::into_inner);
        // Not part of the URL.
        uri.query.heartbeat = now.query.heartbeat;
        *now = uri;
        Ok(())
    }

    fn now(&self) -> AMQPUri {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn uri(settings: &config::Queue) -> Result<AMQPUri, QueueError> {
    let config::QueueUrl::Amqp(url) = &settings.url else {
        return Err(QueueError::Settings("queue.url is not an AMQP URL".to_owned()));
    };
    // The parser's own words may quote the URL, and with it the password.
    let mut uri: AMQPUri = url.expose_secret().parse().map_err(|_: String| {
        QueueError::Settings(
            "queue.url cannot be read; expected amqp://USER:PASSWORD@HOST:PORT/VHOST".to_owned(),
        )
    })?;
    let seconds = u16::try_from(settings.heartbeat.as_secs()).unwrap_or(u16::MAX);
    uri.query.heartbeat = Some(seconds.max(1));
    Ok(uri)
}

/// Where the broker is and how to call there.
pub(super) struct Endpoint {
    address: Arc<Address>,
    /// Shown in the broker's list of connections.
    name: String,
    /// Limit of every step of coming up.
    pub(super) limit: Duration,
}

impl Endpoint {
    pub(super) fn new(
        settings: &config::Queue,
        address: &Arc<Address>,
        direction: Direction,
    ) -> Self {
        let name = format!("{}.{}", settings.prefix, direction.as_str());
        Self { address: Arc::clone(address), name, limit: settings.connect_timeout }
    }
}

/// The kept handle of a socket. Dropping it ends the connection.
#[derive(Default)]
struct Socket(OnceLock<TcpStream>);

impl Socket {
    fn cut(&self) {
        if let Some(socket) = self.0.get() {
            // An error means that it is closed already.
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.cut();
    }
}

/// An open connection. Dropping it ends it at once; [`Wire::hang_up`] asks first.
pub(super) struct Wire {
    pub(super) connection: Arc<Connection>,
    socket: Arc<Socket>,
    /// Limit of every step of coming up, and of each question later.
    pub(super) limit: Duration,
}

impl Wire {
    /// Connects, within the endpoint's limit.
    pub(super) async fn open(endpoint: &Endpoint) -> Result<Self, LinkError> {
        let limit = endpoint.limit;
        let socket = Arc::new(Socket::default());
        let handle = Arc::downgrade(&socket);
        let properties =
            ConnectionProperties::default().with_connection_name(endpoint.name.as_str().into());
        let opening = Connection::connector(
            endpoint.address.now(),
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
        let connection = Arc::new(within(limit, "connecting", opening).await?);
        Ok(Self { connection, socket, limit })
    }

    /// A new channel of this connection.
    pub(super) async fn channel(&self) -> Result<Channel, LinkError> {
        within(self.limit, "opening a channel", self.connection.create_channel()).await
    }

    /// Waits until the connection has ended, and says why.
    pub(super) async fn broken(&self) -> LinkError {
        let mut events = pin!(self.connection.events_listener());
        while let Some(event) = events.next().await {
            // An error of one channel, such as of a question for the depth, may pass.
            if let Event::Error(error) = event
                && !self.connection.status().connected()
            {
                return error.into();
            }
        }
        LinkError::Closed
    }

    /// Closes a channel in order: the broker has handled all that was sent on it before
    /// it answers.
    pub(super) async fn finish(&self, channel: &Channel) {
        if self.connection.status().blocked() {
            return;
        }
        if let Err(error) = within(CLOSE_LIMIT, "closing", channel.close(200, "OK".into())).await {
            tracing::debug!(%error, "a channel of the broker did not close in order");
        }
    }

    /// Says goodbye if that is possible, and ends the connection in any case.
    pub(super) async fn hang_up(&self) {
        if self.connection.status().connected() && !self.connection.status().blocked() {
            let close = self.connection.close(200, "OK".into());
            if let Err(error) = within(CLOSE_LIMIT, "closing", close).await {
                tracing::debug!(%error, "the connection to the broker did not close in order");
            }
        }
        self.socket.cut();
    }
}

/// Keeps a handle of the socket, unless whoever wanted the connection has given up.
fn keep(handle: &Weak<Socket>, stream: &impl AsFd) -> io::Result<()> {
    let socket =
        handle.upgrade().ok_or_else(|| io::Error::from(io::ErrorKind::ConnectionAborted))?;
    let copy = stream.as_fd().try_clone_to_owned()?;
    // Set once: this connection is made once.
    let _ = socket.0.set(TcpStream::from(copy));
    Ok(())
}
