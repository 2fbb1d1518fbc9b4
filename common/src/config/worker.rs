//! `[worker]`

use std::net::SocketAddr;

use super::layers::reader::Section;

/// `[worker]`: what works on jobs.
#[derive(Debug, Clone, PartialEq)]
pub struct Worker {
    /// The jobs that one process works on at once.
    pub concurrency: usize,
    /// Where the worker's metrics and readiness listen.
    pub metrics_listen: SocketAddr,
    /// The most outcomes in one commit.
    pub batch_max: usize,
}

/// Reads the section.
pub(super) fn read(mut section: Section<'_>) -> Option<Worker> {
    let concurrency = section.integer("concurrency", 1..=2000);
    let metrics_listen = section.address("metrics_listen");
    let batch_max = section.integer("batch_max", 1..=2000);
    Some(Worker {
        concurrency: concurrency?,
        metrics_listen: metrics_listen?,
        batch_max: batch_max?,
    })
}
