//! The form of a `postgres://` URL, which the configuration and the driver both read here.

use std::{net::IpAddr, str::FromStr};

use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use url::Url;

/// The parameters that a URL may have. Others are refused here, because the driver would
/// write them to the log, value and all, and go on without them.
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

/// What was expected of a URL that can never work. Fixed words: the driver's own quote the
/// value, which may be a part of the password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It is none, or one of something else.
    #[error("a URL \"postgres://…\"")]
    Form,
    /// Not even the parameter's name is told: an unescaped "&" in a password makes one of
    /// its rest.
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
    /// Anything else that the driver refuses.
    #[error("a URL whose user, password and database are UTF-8, percent-encoded where needed")]
    Encoding,
}

/// What the driver makes of `url`. Fails on one that can never work.
pub fn parse(url: &SecretString) -> Result<PgConnectOptions, AddressError> {
    let text = url.expose_secret();
    let url = Url::parse(text).map_err(|_| AddressError::Form)?;
    if !matches!(url.scheme(), "postgres" | "postgresql") {
        return Err(AddressError::Form);
    }
    for (name, value) in url.query_pairs() {
        judge(&name, &value)?;
    }
    PgConnectOptions::from_str(text).map_err(|_| AddressError::Encoding)
}

fn judge(name: &str, value: &str) -> Result<(), AddressError> {
    let is_option = name.strip_prefix("options[").is_some_and(|rest| rest.ends_with(']'));
    if !is_option && !PARAMETERS.contains(&name) {
        return Err(AddressError::Parameter);
    }
    let (reads, error) = match name {
        "sslmode" | "ssl-mode" => (value.parse::<PgSslMode>().is_ok(), AddressError::SslMode),
        "port" => (value.parse::<u16>().is_ok(), AddressError::Port),
        "hostaddr" => (value.parse::<IpAddr>().is_ok(), AddressError::HostAddress),
        "statement-cache-capacity" => {
            (value.parse::<usize>().is_ok(), AddressError::StatementCache)
        }
        _ => return Ok(()),
    };
    if reads { Ok(()) } else { Err(error) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> Result<PgConnectOptions, AddressError> {
        parse(&SecretString::from(url))
    }

    #[test]
    fn what_is_wrong_is_told_in_fixed_words() {
        let cases = [
            ("hunter2", AddressError::Form),
            ("mysql://quhao:hunter2@db/quhao", AddressError::Form),
            ("postgres://quhao:hunter2@db:port/quhao", AddressError::Form),
            ("postgres://quhao@db/quhao?pasword=hunter2", AddressError::Parameter),
            ("postgres://quhao@db/quhao?password=x&hunter2", AddressError::Parameter),
            ("postgres://quhao@db/quhao?options[hunter2=x", AddressError::Parameter),
            ("postgres://quhao@db/quhao?sslmode=hunter2", AddressError::SslMode),
            ("postgres://quhao@db/quhao?ssl-mode=", AddressError::SslMode),
            ("postgres:///quhao?port=hunter2", AddressError::Port),
            ("postgres:///quhao?hostaddr=hunter2", AddressError::HostAddress),
            ("postgres://db/quhao?statement-cache-capacity=-1", AddressError::StatementCache),
            ("postgres://quhao:hunter2%ff@db/quhao", AddressError::Encoding),
        ];
        for (url, expected) in cases {
            let error = read(url).unwrap_err();
            assert_eq!(error, expected, "{url}");
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn a_usual_url_is_taken() {
        let url = "postgresql://quhao:hunter2@db:5433/quhao?sslmode=Require&options[a]=b";
        assert_eq!(read(url).unwrap().get_host(), "db");
        assert!(read("postgres:///quhao?host=/var/run/postgresql&port=5433").is_ok());
    }
}
