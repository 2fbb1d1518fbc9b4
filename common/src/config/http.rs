//! `[http]`

use std::{net::SocketAddr, time::Duration};

use super::layers::reader::Section;

/// `[http]`: the HTTP side of the producer.
#[derive(Debug, Clone, PartialEq)]
pub struct Http {
    /// Where the API listens.
    pub listen: SocketAddr,
    /// Where the producer's metrics listen.
    pub metrics_listen: SocketAddr,
    /// The most connections at once; more wait in the kernel's backlog.
    pub connections_max: usize,
    /// Limit of the time that a client takes to send its headers.
    pub header_timeout: Duration,
    /// Limit of the time that a client takes to send its body.
    pub body_timeout: Duration,
    /// Largest `Prefer: wait`.
    pub wait_max: Duration,
    /// The most requests that wait at once, and half of them for one client where there are
    /// several; beyond, a submit is answered 202 at once.
    pub waiters_max: usize,
}

/// Reads the section.
pub(super) fn read(mut section: Section<'_>) -> Option<Http> {
    let listen = section.address("listen");
    let metrics_listen = section.address("metrics_listen");
    let connections_max = section.integer("connections_max", 1..=1_000_000);
    let header_timeout = section.seconds("header_timeout_seconds", 0.1..=600.0);
    let body_timeout = section.seconds("body_timeout_seconds", 0.1..=60.0);
    let wait_max = section.whole_seconds("wait_max_seconds", 0..=30);
    let waiters_max = section.integer("waiters_max", 0..=1_000_000);
    Some(Http {
        listen: listen?,
        metrics_listen: metrics_listen?,
        connections_max: connections_max?,
        header_timeout: header_timeout?,
        body_timeout: body_timeout?,
        wait_max: wait_max?,
        waiters_max: waiters_max?,
    })
}
