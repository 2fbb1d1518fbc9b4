//! Clients and apps, from however many files. Separate from the rest, which does not
//! change while a process runs.

use std::{
    collections::{HashMap, HashSet},
    num::NonZeroU32,
    ops::RangeInclusive,
    sync::Arc,
};

use data_encoding::HEXLOWER_PERMISSIVE;
use secrecy::ExposeSecret;

use super::layers::{
    error::{ConfigError, Problem},
    reader::{Found, Section},
    schema, secrets,
    tree::{Item, Tree},
};
use crate::domain::{
    app::{App, AppId, Client, ClientName, Component, Credential, Directory, NAME_BYTES_MAX, Rate},
    callback_target::{AllowRule, CallbackBody},
};

const RATE: RangeInclusive<i64> = 1..=1_000_000;
const APP_SECRET_BYTES_MAX: usize = 128;
const DEFAULT_PLATFORM: &str = "wechat";

/// Reads `[[clients]]` and `[[apps]]`; `component` looks after some of these.
pub(super) fn read(
    tree: &Tree,
    component: Option<Component>,
    errors: &mut Vec<ConfigError>,
) -> Directory {
    let mut known = Known { component: component.map(Arc::new), ..Known::default() };
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
    without_webhook: HashSet<ClientName>,
    component: Option<Arc<Component>>,
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
    let webhook_secrets = secrets::webhook(&mut at, "webhook_secret");
    let rate = rate(&mut at);
    if let (Some(name), Some([])) = (&name, webhook_secrets.as_deref()) {
        known.without_webhook.insert(name.clone());
    }
    Some(Client { name: name?, api_key_sha256: digests?, webhook_secrets: webhook_secrets?, rate })
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
    let credential = credential(&mut at, tree, known.component.as_ref());
    let callback_allow = callback_allow(&mut at);
    let silent = client.as_ref().is_some_and(|client| known.without_webhook.contains(client));
    if silent && callback_allow.as_ref().is_some_and(|rules| !rules.is_empty()) {
        let text = "callbacks need a `webhook_secret` of the app's client".to_owned();
        at.refuse("callback_allow", None, Problem::Conflict(text));
    }
    let callback_body = callback_body(&mut at);
    Some(App {
        id: id?,
        client: client?,
        platform: platform?,
        credential: credential?,
        callback_allow: callback_allow?,
        callback_body: callback_body?,
    })
}

fn credential(
    at: &mut Section<'_>,
    tree: &Tree,
    component: Option<&Arc<Component>>,
) -> Option<Credential> {
    let is_component = match at.find("credential") {
        None => false,
        Some(_) => {
            at.read("credential", "\"secret\" or \"component\"", |found| match found.text()? {
                "secret" => Some(false),
                "component" => Some(true),
                _ => None,
            })?
        }
    };
    if is_component {
        for key in ["secret", "secret_file"] {
            if at.find(key).is_some() {
                let text = "an app with `credential = \"component\"` has no secret".to_owned();
                at.refuse(key, None, Problem::Conflict(text));
            }
        }
        let mut errors = Vec::new();
        let wechat = Section::of(tree, "platforms.wechat", &mut errors);
        if wechat.find("component_appid").is_none() && !tree.incomplete {
            let text = "needs component_appid and a token under [platforms.wechat]".to_owned();
            at.refuse("credential", None, Problem::Conflict(text));
        }
        // What is given and wrong has been noted before.
        return component.cloned().map(Credential::Component);
    }
    let secret = secrets::read(at, "secret")?;
    let text = secret.text.expose_secret();
    let fits = (1..=APP_SECRET_BYTES_MAX).contains(&text.len());
    if !fits || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        let text = format!("1 to {APP_SECRET_BYTES_MAX} visible ASCII characters");
        at.refuse(&secret.key, Some(secret.layer), Problem::Expected(text));
        return None;
    }
    Some(Credential::Secret(secret.text))
}

fn callback_allow(at: &mut Section<'_>) -> Option<Vec<AllowRule>> {
    if at.find("callback_allow").is_none() {
        return Some(Vec::new());
    }
    let expected = "a list of https (or http) URLs without user, password, query and fragment";
    at.read("callback_allow", expected, |found| {
        found.texts()?.into_iter().map(|text| AllowRule::parse(text).ok()).collect()
    })
}

fn callback_body(at: &mut Section<'_>) -> Option<CallbackBody> {
    if at.find("callback_body").is_none() {
        return Some(CallbackBody::default());
    }
    at.read("callback_body", "\"thin\" or \"whole\"", |found| match found.text()? {
        "thin" => Some(CallbackBody::Thin),
        "whole" => Some(CallbackBody::Whole),
        _ => None,
    })
}

/// `None` without an error: as fast as it likes.
fn rate(at: &mut Section<'_>) -> Option<Rate> {
    if at.find("rate_per_second").is_none() {
        if at.find("rate_burst").is_some() {
            at.missing("rate_per_second", None);
        }
        return None;
    }
    let per_second = at.integer("rate_per_second", RATE).and_then(NonZeroU32::new);
    let burst = match at.find("rate_burst") {
        None => per_second,
        Some(_) => at.integer("rate_burst", RATE).and_then(NonZeroU32::new),
    };
    Some(Rate { per_second: per_second?, burst: burst? })
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
