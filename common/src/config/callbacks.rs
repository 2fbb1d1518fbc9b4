//! `[callbacks]`

use std::time::Duration;

use ipnet::IpNet;

use super::layers::reader::{Found, Section};

/// `[callbacks]`: events of results, sent to the `callback_url` of jobs.
#[derive(Debug, Clone, PartialEq)]
pub struct Callbacks {
    /// Whether plain http addresses may be called.
    pub allow_http: bool,
    /// Networks that may be called although they are not public.
    pub allow_networks: Vec<IpNet>,
    /// The most callbacks that one worker sends at once.
    pub concurrency: usize,
    /// Limit of an attempt.
    pub timeout: Duration,
    /// How long a callback is attempted after it became due.
    pub total: Duration,
    /// The most attempts of a callback.
    pub attempts_max: u32,
}

/// Reads the section.
pub(super) fn read(mut section: Section<'_>) -> Option<Callbacks> {
    let allow_http = section.flag("allow_http");
    let expected = "a list of networks, such as [\"10.0.0.0/8\"]";
    let allow_networks = section.read("allow_networks", expected, parse_networks);
    let concurrency = section.integer("concurrency", 1..=1000);
    let timeout = section.seconds("timeout_seconds", 0.1..=60.0);
    let total = section.whole_seconds("total_seconds", 1..=86_400);
    let attempts_max = section.integer("attempts_max", 1..=100);
    Some(Callbacks {
        allow_http: allow_http?,
        allow_networks: allow_networks?,
        concurrency: concurrency?,
        timeout: timeout?,
        total: total?,
        attempts_max: attempts_max?,
    })
}

fn parse_networks(found: Found<'_>) -> Option<Vec<IpNet>> {
    let texts = found.texts()?.into_iter().filter(|text| !text.is_empty());
    texts.map(|text| text.parse().ok()).collect()
}
