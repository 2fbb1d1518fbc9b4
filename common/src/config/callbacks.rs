//! `[callbacks]`

use std::time::Duration;

use ipnet::IpNet;

use super::layers::reader::Section;

/// `[callbacks]`
#[derive(Debug, Clone, PartialEq)]
pub struct Callbacks {
    /// Whether plain http addresses may be called.
    pub allow_http: bool,
    /// Networks that may be called although they are not public.
    pub allow_networks: Vec<IpNet>,
    /// Callbacks under way at once in one worker.
    pub concurrency: usize,
    /// Limit of one attempt.
    pub timeout: Duration,
    /// How long a callback is tried after it became due.
    pub total: Duration,
    /// Attempts at most.
    pub attempts_max: u32,
}

pub(super) fn read(mut at: Section<'_>) -> Option<Callbacks> {
    let allow_http = at.flag("allow_http");
    let expected = "a list of networks, such as [\"10.0.0.0/8\"]";
    let allow_networks = at.read("allow_networks", expected, |found| {
        let texts = found.texts()?.into_iter().filter(|text| !text.is_empty());
        texts.map(|text| text.parse().ok()).collect::<Option<Vec<IpNet>>>()
    });
    let concurrency = at.integer("concurrency", 1..=1000);
    let timeout = at.seconds("timeout_seconds", 0.1..=60.0);
    let total = at.whole("total_seconds", 1, 1..=86_400);
    let attempts_max = at.integer("attempts_max", 1..=100);
    Some(Callbacks {
        allow_http: allow_http?,
        allow_networks: allow_networks?,
        concurrency: concurrency?,
        timeout: timeout?,
        total: total?,
        attempts_max: attempts_max?,
    })
}
