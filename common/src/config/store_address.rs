//! The address of a PostgreSQL server, as `store.url` gives it.

use std::{fmt, net::IpAddr};

use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

/// The parameters that a URL may have. Others are refused here, because the driver would
/// write them to the log, value included, and go on without them.
const PARAMETERS: &[&str] = &[
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "statement-cache-capacity",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
    "options",
];

/// The values of `sslmode`.
const SSL_MODES: &[&str] = &["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];

/// The address of a PostgreSQL server: a URL of which every part was checked, so that the
/// driver has nothing to refuse. It has no `Display`, and `Debug` shows nothing of it.
///
/// It keeps the URL itself: the driver fills in what is left out from `PG*` variables and
/// `~/.pgpass`, depending on what the URL has.
#[derive(Clone)]
pub struct StoreAddress(SecretString);

/// What was expected of a URL that can never work. The words are fixed: the driver's own quote
/// the value, which may be a part of the password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StoreAddressError {
    /// It is not a URL, or one of something else.
    #[error("a URL \"postgres://…\"")]
    Form,
    /// It has an unknown parameter. Not even its name is shown: an unescaped "&" in a password
    /// makes a parameter of the rest.
    #[error(
        "a URL that has no other parameters than {}; is a \"&\" in it unescaped?",
        PARAMETERS.join(", ")
    )]
    Parameter,
    /// `sslmode`
    #[error("a URL whose sslmode is disable, allow, prefer, require, verify-ca or verify-full")]
    SslMode,
    /// `port`, as a parameter.
    #[error("a URL whose port is a whole number from 0 to 65535")]
    Port,
    /// `hostaddr`
    #[error("a URL whose hostaddr is an IP address")]
    HostAddress,
    /// `statement-cache-capacity`
    #[error("a URL whose statement-cache-capacity is a whole number")]
    StatementCache,
    /// A part that is not text.
    #[error("a URL whose user, password and database are UTF-8, percent-encoded where needed")]
    Encoding,
}

impl StoreAddress {
    /// Parses a `postgres://` or `postgresql://` URL. It may have no host:
    /// `?host=/var/run/postgresql` names a socket.
    pub fn parse(text: &str) -> Result<Self, StoreAddressError> {
        let url = Url::parse(text).map_err(|_| StoreAddressError::Form)?;
        if !matches!(url.scheme(), "postgres" | "postgresql") {
            return Err(StoreAddressError::Form);
        }
        for (name, value) in url.query_pairs() {
            check_parameter(&name, &value)?;
        }
        check_encoding(&url)?;
        Ok(Self(text.into()))
    }

    /// Returns the URL, for the driver.
    pub fn expose_url(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for StoreAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreAddress(redacted)")
    }
}

impl PartialEq for StoreAddress {
    // Both come from the operator: nobody learns anything from how long comparing takes.
    fn eq(&self, other: &Self) -> bool {
        self.expose_url() == other.expose_url()
    }
}

fn check_parameter(name: &str, value: &str) -> Result<(), StoreAddressError> {
    let is_option = name.strip_prefix("options[").is_some_and(|rest| rest.ends_with(']'));
    if !is_option && !PARAMETERS.contains(&name) {
        return Err(StoreAddressError::Parameter);
    }
    let (is_valid, error) = match name {
        "sslmode" | "ssl-mode" => {
            let mode = value.to_ascii_lowercase();
            (SSL_MODES.contains(&mode.as_str()), StoreAddressError::SslMode)
        }
        "port" => (value.parse::<u16>().is_ok(), StoreAddressError::Port),
        "hostaddr" => (value.parse::<IpAddr>().is_ok(), StoreAddressError::HostAddress),
        "statement-cache-capacity" => {
            (value.parse::<usize>().is_ok(), StoreAddressError::StatementCache)
        }
        _ => return Ok(()),
    };
    if is_valid { Ok(()) } else { Err(error) }
}

/// Checks that what the driver decodes is UTF-8: user, password, database, and a host that is
/// the path of a socket.
fn check_encoding(url: &Url) -> Result<(), StoreAddressError> {
    let socket = url.host_str().filter(|host| percent_decode_str(host).next() == Some(b'/'));
    let parts = [Some(url.username()), url.password(), Some(url.path()), socket];
    for part in parts.into_iter().flatten() {
        if percent_decode_str(part).decode_utf8().is_err() {
            return Err(StoreAddressError::Encoding);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_use_fixed_words() {
        let cases = [
            ("hunter2", StoreAddressError::Form),
            ("mysql://quhao:hunter2@db/quhao", StoreAddressError::Form),
            ("postgres://quhao:hunter2@db:port/quhao", StoreAddressError::Form),
            ("postgres://quhao@db/quhao?pasword=hunter2", StoreAddressError::Parameter),
            ("postgres://quhao@db/quhao?password=x&hunter2", StoreAddressError::Parameter),
            ("postgres://quhao@db/quhao?options[hunter2=x", StoreAddressError::Parameter),
            ("postgres://quhao@db/quhao?sslmode=hunter2", StoreAddressError::SslMode),
            ("postgres://quhao@db/quhao?ssl-mode=", StoreAddressError::SslMode),
            ("postgres:///quhao?port=hunter2", StoreAddressError::Port),
            ("postgres:///quhao?hostaddr=hunter2", StoreAddressError::HostAddress),
            ("postgres://db/quhao?statement-cache-capacity=-1", StoreAddressError::StatementCache),
            ("postgres://quhao:hunter2%ff@db/quhao", StoreAddressError::Encoding),
            ("postgres://hunter2%ff@db/quhao", StoreAddressError::Encoding),
            ("postgres://quhao@db/hunter2%ff", StoreAddressError::Encoding),
            ("postgres://quhao@%2fhunter2%ff/quhao", StoreAddressError::Encoding),
        ];
        for (url, expected) in cases {
            let error = StoreAddress::parse(url).unwrap_err();
            assert_eq!(error, expected, "{url}");
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn usual_urls_are_accepted() {
        for url in [
            "postgresql://quhao:hunter2@db:5433/quhao?sslmode=Require&options[a]=b",
            "postgres:///quhao?host=/var/run/postgresql&port=5433",
        ] {
            let address = StoreAddress::parse(url).unwrap();
            assert_eq!(address.expose_url(), url);
            assert_eq!(format!("{address:?}"), "StoreAddress(redacted)");
        }
    }
}
