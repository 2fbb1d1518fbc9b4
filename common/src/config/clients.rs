//! `[[clients]]`, from however many files.

use std::{
    collections::{HashMap, HashSet},
    num::NonZeroU32,
    ops::RangeInclusive,
};

use data_encoding::HEXLOWER_PERMISSIVE;

use super::layers::{
    error::{ConfigError, Problem},
    reader::Section,
    secrets,
    tree::{Item, Tree},
};
use crate::domain::client::{Client, ClientName, Rate};

const RATE: RangeInclusive<i64> = 1..=1_000_000;

/// The clients of a configuration, and what their apps are checked against.
#[derive(Default)]
pub(super) struct Clients {
    /// Those without an error.
    pub(super) valid: Vec<Client>,
    /// Every name, with where it was first given.
    pub(super) names: HashMap<ClientName, String>,
    /// Those that have no webhook secret, and so get no callbacks.
    pub(super) without_webhook: HashSet<ClientName>,
}

/// Reads all blocks.
pub(super) fn read(tree: &Tree, errors: &mut Vec<ConfigError>) -> Clients {
    let mut clients = Clients::default();
    let mut digests = HashSet::new();
    for item in &tree.clients {
        let client = read_one(tree, item, &mut clients, &mut digests, errors);
        clients.valid.extend(client);
    }
    clients
}

fn read_one(
    tree: &Tree,
    item: &Item,
    clients: &mut Clients,
    digests_before: &mut HashSet<[u8; 32]>,
    errors: &mut Vec<ConfigError>,
) -> Option<Client> {
    let mut section = Section::item(tree, item, errors);
    let name = section.name("name", ClientName::new);
    if let Some(name) = &name {
        let earlier = clients.names.insert(name.clone(), tree.place(item));
        section.refuse_repeated("name", earlier);
    }
    let digests = read_digests(&mut section);
    for digest in digests.iter().flatten() {
        if !digests_before.insert(*digest) {
            let text = "the same API key twice: a key belongs to one client".to_owned();
            section.refuse("api_key_sha256", None, Problem::Conflict(text));
        }
    }
    let webhook_secrets = secrets::webhook(&mut section, "webhook_secret");
    let rate = read_rate(&mut section);
    if let (Some(name), Some([])) = (&name, webhook_secrets.as_deref()) {
        clients.without_webhook.insert(name.clone());
    }
    Some(Client { name: name?, api_key_sha256: digests?, webhook_secrets: webhook_secrets?, rate })
}

fn read_digests(section: &mut Section<'_>) -> Option<Vec<[u8; 32]>> {
    let expected = "a list of SHA-256 digests, each 64 hexadecimal digits";
    section.read("api_key_sha256", expected, |found| {
        let digests = found.texts()?.into_iter().map(parse_digest).collect::<Option<Vec<_>>>()?;
        (!digests.is_empty()).then_some(digests)
    })
}

fn parse_digest(text: &str) -> Option<[u8; 32]> {
    HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok()?.try_into().ok()
}

/// Reads the limit of a client; `None` without an error: it has no limit.
fn read_rate(section: &mut Section<'_>) -> Option<Rate> {
    if section.find("rate_per_second").is_none() {
        if section.find("rate_burst").is_some() {
            section.missing("rate_per_second", None);
        }
        return None;
    }
    let per_second = section.integer("rate_per_second", RATE).and_then(NonZeroU32::new);
    let burst = match section.find("rate_burst") {
        None => per_second,
        Some(_) => section.integer("rate_burst", RATE).and_then(NonZeroU32::new),
    };
    Some(Rate { per_second: per_second?, burst: burst? })
}
