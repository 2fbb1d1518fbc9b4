//! Clients and apps, from however many files. Separate from the rest, which never
//! changes while a process runs.

use std::collections::{HashMap, HashSet};

use data_encoding::HEXLOWER_PERMISSIVE;
use secrecy::ExposeSecret;

use super::{
    error::{ConfigError, Problem},
    reader::{Found, Section},
    schema, secrets,
    tree::{Item, Tree},
};
use crate::app::{App, AppId, Client, ClientName, Directory, NAME_BYTES_MAX};

const APP_SECRET_BYTES_MAX: usize = 128;
const DEFAULT_PLATFORM: &str = "wechat";

/// Reads `[[clients]]` and `[[apps]]`.
pub(super) fn read(tree: &Tree, errors: &mut Vec<ConfigError>) -> Directory {
    let mut known = Known::default();
    let clients = tree.clients.iter().filter_map(|item| client(tree, item, &mut known, errors));
    let clients = clients.collect();
    let apps = tree.apps.iter().filter_map(|item| app(tree, item, &mut known, errors));
    Directory::new(clients, apps.collect())
}

/// What stands already, and where.
#[derive(Default)]
struct Known {
    clients: HashMap<ClientName, String>,
    apps: HashMap<AppId, String>,
    digests: HashSet<[u8; 32]>,
}

fn client(
    tree: &Tree,
    item: &Item,
    known: &mut Known,
    errors: &mut Vec<ConfigError>,
) -> Option<Client> {
    let mut at = Section::item(tree, item, errors);
    let name = name(&mut at, "name", ClientName::new);
    if let Some(name) = &name {
        once(&mut at, "name", known.clients.insert(name.clone(), place(tree, item)));
    }
    let expected = "a list of SHA-256 digests, each 64 hexadecimal digits";
    let digests = at.read("api_key_sha256", expected, |found| {
        let digests = found.texts()?.into_iter().map(digest).collect::<Option<Vec<_>>>()?;
        (!digests.is_empty()).then_some(digests)
    });
    for digest in digests.iter().flatten() {
        if !known.digests.insert(*digest) {
            let text = "the same API key twice: a key belongs to one client".to_owned();
            at.refuse("api_key_sha256", None, Problem::Conflict(text));
        }
    }
    Some(Client { name: name?, api_key_sha256: digests? })
}

fn app(tree: &Tree, item: &Item, known: &mut Known, errors: &mut Vec<ConfigError>) -> Option<App> {
    let mut at = Section::item(tree, item, errors);
    let id = name(&mut at, "id", AppId::new);
    if let Some(id) = &id {
        once(&mut at, "id", known.apps.insert(id.clone(), place(tree, item)));
    }
    let client = name(&mut at, "client", ClientName::new);
    let is_unknown = client.as_ref().is_some_and(|client| !known.clients.contains_key(client));
    if is_unknown && !tree.incomplete {
        let text = "no [[clients]] block has this name".to_owned();
        at.refuse("client", None, Problem::Conflict(text));
    }
    let platform = platform(&mut at);
    let secret = secrets::read(&mut at, "secret");
    let secret = secret.and_then(|secret| {
        let text = secret.text.expose_secret();
        let fits = (1..=APP_SECRET_BYTES_MAX).contains(&text.len());
        if !fits || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            let text = format!("1 to {APP_SECRET_BYTES_MAX} visible ASCII characters");
            at.refuse(&secret.key, Some(secret.layer), Problem::Expected(text));
            return None;
        }
        Some(secret.text)
    });
    Some(App { id: id?, client: client?, platform: platform?, secret: secret? })
}

fn name<T, E>(at: &mut Section<'_>, key: &str, read: impl Fn(&str) -> Result<T, E>) -> Option<T> {
    let expected = format!("1 to {NAME_BYTES_MAX} visible ASCII characters");
    at.read(key, &expected, |found| read(found.text()?).ok())
}

/// The platform's name: one that has a section.
fn platform(at: &mut Section<'_>) -> Option<String> {
    if at.find("platform").is_none() {
        return Some(DEFAULT_PLATFORM.to_owned());
    }
    let known = schema::SCHEMA.iter().filter_map(|section| section.name.strip_prefix("platforms."));
    let known: Vec<_> = known.collect();
    at.read("platform", &format!("one of: {}", known.join(", ")), |found: Found<'_>| {
        found.text().filter(|name| known.contains(name)).map(str::to_owned)
    })
}

/// Notes that a name was taken already.
fn once(at: &mut Section<'_>, key: &str, earlier: Option<String>) {
    if let Some(earlier) = earlier {
        at.refuse(key, None, Problem::Conflict(format!("the same as that of {earlier}")));
    }
}

fn place(tree: &Tree, item: &Item) -> String {
    format!("{} in {}", item.path, tree.layers.origin(item.layer))
}

fn digest(text: &str) -> Option<[u8; 32]> {
    HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok()?.try_into().ok()
}
