//! The address of a RabbitMQ server, as `queue.url` gives it.
//!
//! Source: RabbitMQ's URI specification and its query parameters. Where a URL leaves something
//! out the driver's defaults hold, which are RabbitMQ's.

use std::{borrow::Cow, fmt};

use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret, SecretString};
use url::{Host, Url};

const DEFAULT_PORT: u16 = 5672;
const DEFAULT_PORT_TLS: u16 = 5671;
/// User and password where the URL has none.
const DEFAULT_USER: &str = "guest";
/// The virtual host where the URL has no path.
const DEFAULT_VIRTUAL_HOST: &str = "/";

/// The address of a RabbitMQ server, with what authenticates there. It has no `Display`, and
/// `Debug` shows nothing: a password may stand in any wrong place.
#[derive(Clone)]
pub struct BrokerAddress {
    /// Whether the connection is encrypted: `amqps://`.
    pub is_tls: bool,
    /// The server's name or IP address.
    pub host: String,
    /// The server's port.
    pub port: u16,
    /// The user.
    pub user: String,
    /// The user's password.
    pub password: SecretString,
    /// The virtual host.
    pub virtual_host: String,
    /// What else the URL asks for.
    pub parameters: BrokerParameters,
}

/// The query parameters of a broker's URL; `None`: the driver's default. A `heartbeat` must be
/// a number too, but `queue.heartbeat_seconds` replaces it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BrokerParameters {
    /// `frame_max`, the largest frame in bytes.
    pub frame_bytes_max: Option<u32>,
    /// `channel_max`, the most channels of a connection.
    pub channels_max: Option<u16>,
    /// `connection_timeout`, in milliseconds.
    pub connection_timeout_ms: Option<u64>,
    /// `auth_mechanism`
    pub auth_mechanism: Option<AuthMechanism>,
}

/// A SASL mechanism that RabbitMQ knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthMechanism {
    /// `amqplain`
    AmqPlain,
    /// `anonymous`
    Anonymous,
    /// `external`: by the client's certificate.
    External,
    /// `plain`
    Plain,
    /// `rabbit-cr-demo`
    RabbitCrDemo,
}

impl BrokerAddress {
    /// Parses an `amqp://` or `amqps://` URL with a host; `None` if `text` is not one.
    pub fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok()?;
        let is_tls = match url.scheme() {
            "amqp" => false,
            "amqps" => true,
            _ => return None,
        };
        let host = match url.host()? {
            Host::Domain("") => return None,
            Host::Domain(name) => decoded(name)?,
            Host::Ipv4(address) => address.to_string(),
            Host::Ipv6(address) => address.to_string(),
        };
        let user = match url.username() {
            "" => DEFAULT_USER.to_owned(),
            user => decoded(user)?,
        };
        let password = match url.password() {
            None => DEFAULT_USER.to_owned(),
            Some(password) => decoded(password)?,
        };
        let virtual_host = match url.path().get(1..) {
            None => DEFAULT_VIRTUAL_HOST.to_owned(),
            Some(path) => decoded(path)?,
        };
        let default_port = if is_tls { DEFAULT_PORT_TLS } else { DEFAULT_PORT };
        Some(Self {
            is_tls,
            host,
            port: url.port().unwrap_or(default_port),
            user,
            password: password.into(),
            virtual_host,
            parameters: parameters(&url)?,
        })
    }
}

impl fmt::Debug for BrokerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BrokerAddress(redacted)")
    }
}

impl PartialEq for BrokerAddress {
    // Both come from the operator: nobody learns anything from how long comparing takes.
    fn eq(&self, other: &Self) -> bool {
        self.is_tls == other.is_tls
            && self.host == other.host
            && self.port == other.port
            && self.user == other.user
            && self.password.expose_secret() == other.password.expose_secret()
            && self.virtual_host == other.virtual_host
            && self.parameters == other.parameters
    }
}

/// Reads the query parameters. Of one that is repeated the first counts, and others than these
/// do not count at all; `None` if one is not of its form.
fn parameters(url: &Url) -> Option<BrokerParameters> {
    let mut parameters = BrokerParameters::default();
    let mut read = Vec::new();
    for (name, value) in url.query_pairs() {
        if read.contains(&name) {
            continue;
        }
        match &*name {
            "frame_max" => parameters.frame_bytes_max = Some(value.parse().ok()?),
            "channel_max" => parameters.channels_max = Some(value.parse().ok()?),
            "heartbeat" => {
                value.parse::<u16>().ok()?;
            }
            "connection_timeout" => parameters.connection_timeout_ms = Some(value.parse().ok()?),
            "auth_mechanism" => parameters.auth_mechanism = Some(auth_mechanism(&value)?),
            _ => {}
        }
        read.push(name);
    }
    Some(parameters)
}

fn auth_mechanism(name: &str) -> Option<AuthMechanism> {
    Some(match name.to_lowercase().as_str() {
        "amqplain" => AuthMechanism::AmqPlain,
        "anonymous" => AuthMechanism::Anonymous,
        "external" => AuthMechanism::External,
        "plain" => AuthMechanism::Plain,
        "rabbit-cr-demo" => AuthMechanism::RabbitCrDemo,
        _ => return None,
    })
}

/// Decodes percent-encoded UTF-8.
fn decoded(text: &str) -> Option<String> {
    percent_decode_str(text).decode_utf8().ok().map(Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> BrokerAddress {
        BrokerAddress::parse(url).expect("an address")
    }

    #[test]
    fn every_part_is_read() {
        let url = "amqps://us%65r:p%40ss@broker.example:5673/v%2fh?frame_max=8192&channel_max=9\
                   &heartbeat=5&connection_timeout=700&auth_mechanism=Plain&other=x&frame_max=no";
        let address = read(url);
        assert!(address.is_tls);
        assert_eq!((address.host.as_str(), address.port), ("broker.example", 5673));
        assert_eq!((address.user.as_str(), address.password.expose_secret()), ("user", "p@ss"));
        assert_eq!(address.virtual_host, "v/h");
        let expected = BrokerParameters {
            frame_bytes_max: Some(8192),
            channels_max: Some(9),
            connection_timeout_ms: Some(700),
            auth_mechanism: Some(AuthMechanism::Plain),
        };
        assert_eq!(address.parameters, expected);
        assert_eq!(format!("{address:?}"), "BrokerAddress(redacted)");
    }

    #[test]
    fn what_is_left_out_has_a_default() {
        let address = read("amqp://broker");
        assert_eq!((address.is_tls, address.port), (false, 5672));
        assert_eq!((address.user.as_str(), address.password.expose_secret()), ("guest", "guest"));
        assert_eq!(address.virtual_host, "/");
        assert_eq!(address.parameters, BrokerParameters::default());
        assert_eq!(read("amqps://broker/").port, 5671);
        assert_eq!(read("amqps://broker/").virtual_host, "");
        assert_eq!(read("amqp://[::1]/%2f").host, "::1");
        assert_eq!(read("amqp://127.0.0.1/%2f").host, "127.0.0.1");
    }

    #[test]
    fn malformed_addresses_are_refused() {
        for url in [
            "",
            "broker",
            "amqp:broker",
            "amqp:///%2f",
            "amqp://:5672/%2f",
            "redis://broker",
            "http://broker",
            "amqp://broker:port",
            "amqp://us%ffer@broker",
            "amqp://user:p%ff@broker",
            "amqp://broker/%ff",
            "amqp://br%ffoker/",
            "amqp://broker?heartbeat=x",
            "amqp://broker?heartbeat=65536",
            "amqp://broker?frame_max=-1",
            "amqp://broker?channel_max=65536",
            "amqp://broker?connection_timeout=1.5",
            "amqp://broker?auth_mechanism=kerberos",
        ] {
            assert_eq!(BrokerAddress::parse(url), None, "{url}");
        }
    }
}
