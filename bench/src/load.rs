//! The clients that submit jobs.
//!
//! `open`: arrivals at fixed times, whatever becomes of those before them; each latency
//! counts from the time at which the job was meant to arrive, so that a stall is counted at
//! everyone it would have kept waiting (no coordinated omission). `closed`: so many
//! connections, each with its next job as soon as its last was answered, to see how much
//! goes through; its latencies say how long an answer takes *at that load* and no more.

use std::{io, net::SocketAddr, sync::Arc};

use futures_util::{StreamExt, TryStreamExt, stream};

use self::{connection::Connection, request::Requests};

pub(crate) mod closed;
pub(crate) mod connection;
pub(crate) mod open;
pub(crate) mod request;
pub(crate) mod tally;

/// Where jobs go, and what they look like.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) requests: Arc<Requests>,
    /// Jobs before this one were sent by an earlier load of the same requests.
    pub(crate) first: u64,
    /// Clients: so many requests can be under way at once.
    pub(crate) connections: usize,
}

/// Connections that are being opened at once: more than what a listener keeps for its
/// program to accept are refused by the kernel, and tried again much later.
const OPENING_MAX: usize = 64;

impl Target {
    /// Returns its clients, which connect when they have something to send.
    fn clients(&self) -> Vec<Connection> {
        (0..self.connections).map(|_| Connection::new(self.address)).collect()
    }

    /// Returns its clients, connected: connecting is not part of what is measured.
    async fn connected_clients(&self) -> io::Result<Vec<Connection>> {
        let opening = stream::iter(self.clients()).map(async |mut connection| {
            connection.open().await?;
            Ok(connection)
        });
        opening.buffer_unordered(OPENING_MAX).try_collect().await
    }
}
