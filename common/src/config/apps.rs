//! `[[apps]]`, from however many files.

use std::{collections::HashMap, sync::Arc};

use secrecy::ExposeSecret;

use super::{
    clients::Clients,
    layers::{
        error::{ConfigError, Problem},
        reader::{Found, Section},
        schema, secrets,
        tree::{Item, Tree},
    },
};
use crate::domain::{
    app::{App, AppId, Credential, ThirdPartyPlatform},
    callback_target::{AllowRule, CallbackBody},
    client::ClientName,
};

const APP_SECRET_BYTES_MAX: usize = 128;
const DEFAULT_PLATFORM: &str = "wechat";

/// What apps are checked against.
struct Known<'a> {
    clients: &'a Clients,
    third_party_platform: Option<Arc<ThirdPartyPlatform>>,
    /// The apps read so far, with where each was first given.
    ids: HashMap<AppId, String>,
}

/// Reads all blocks; `third_party_platform` manages some of these apps.
pub(super) fn read(
    tree: &Tree,
    clients: &Clients,
    third_party_platform: Option<ThirdPartyPlatform>,
    errors: &mut Vec<ConfigError>,
) -> Vec<App> {
    let third_party_platform = third_party_platform.map(Arc::new);
    let mut known = Known { clients, third_party_platform, ids: HashMap::new() };
    tree.apps.iter().filter_map(|item| read_one(tree, item, &mut known, errors)).collect()
}

fn read_one(
    tree: &Tree,
    item: &Item,
    known: &mut Known<'_>,
    errors: &mut Vec<ConfigError>,
) -> Option<App> {
    let mut section = Section::item(tree, item, errors);
    let id = section.name("id", AppId::new);
    if let Some(id) = &id {
        let earlier = known.ids.insert(id.clone(), tree.place(item));
        section.refuse_repeated("id", earlier);
    }
    let client = section.name("client", ClientName::new);
    let is_unknown =
        client.as_ref().is_some_and(|client| !known.clients.names.contains_key(client));
    if is_unknown && !tree.incomplete {
        let text = "no [[clients]] block has this name".to_owned();
        section.refuse("client", None, Problem::Conflict(text));
    }
    let platform = read_platform(&mut section);
    let credential = read_credential(&mut section, tree, known.third_party_platform.as_ref());
    let callback_allow = read_callback_allow(&mut section);
    let has_no_webhook =
        client.as_ref().is_some_and(|client| known.clients.without_webhook.contains(client));
    if has_no_webhook && callback_allow.as_ref().is_some_and(|rules| !rules.is_empty()) {
        let text = "callbacks need a `webhook_secret` of the app's client".to_owned();
        section.refuse("callback_allow", None, Problem::Conflict(text));
    }
    let callback_body = read_callback_body(&mut section);
    Some(App {
        id: id?,
        client: client?,
        platform: platform?,
        credential: credential?,
        callback_allow: callback_allow?,
        callback_body: callback_body?,
    })
}

/// Reads the platform's name: one that has a section.
fn read_platform(section: &mut Section<'_>) -> Option<String> {
    if section.find("platform").is_none() {
        return Some(DEFAULT_PLATFORM.to_owned());
    }
    let known = schema::SCHEMA.iter().filter_map(|section| section.name.strip_prefix("platforms."));
    let known: Vec<_> = known.collect();
    section.read("platform", &format!("one of: {}", known.join(", ")), |found: Found<'_>| {
        found.text().filter(|name| known.contains(name)).map(str::to_owned)
    })
}

fn read_credential(
    section: &mut Section<'_>,
    tree: &Tree,
    third_party_platform: Option<&Arc<ThirdPartyPlatform>>,
) -> Option<Credential> {
    let is_managed =
        match section.find("credential") {
            None => false,
            Some(_) => section.read("credential", "\"secret\" or \"component\"", |found| {
                match found.text()? {
                    "secret" => Some(false),
                    "component" => Some(true),
                    _ => None,
                }
            })?,
        };
    if !is_managed {
        return read_secret(section);
    }
    for key in ["secret", "secret_file"] {
        if section.find(key).is_some() {
            let text = "an app with `credential = \"component\"` has no secret".to_owned();
            section.refuse(key, None, Problem::Conflict(text));
        }
    }
    let mut errors = Vec::new();
    let wechat = Section::of(tree, "platforms.wechat", &mut errors);
    if wechat.find("component_appid").is_none() && !tree.incomplete {
        let text = "needs component_appid and a token under [platforms.wechat]".to_owned();
        section.refuse("credential", None, Problem::Conflict(text));
    }
    // A platform that is given and wrong has its own error.
    third_party_platform.cloned().map(Credential::ThirdPartyPlatform)
}

fn read_secret(section: &mut Section<'_>) -> Option<Credential> {
    let secret = secrets::read(section, "secret")?;
    let text = secret.text.expose_secret();
    let fits = (1..=APP_SECRET_BYTES_MAX).contains(&text.len());
    if !fits || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        let text = format!("1 to {APP_SECRET_BYTES_MAX} visible ASCII characters");
        section.refuse(&secret.key, Some(secret.layer), Problem::Expected(text));
        return None;
    }
    Some(Credential::Secret(secret.text))
}

fn read_callback_allow(section: &mut Section<'_>) -> Option<Vec<AllowRule>> {
    if section.find("callback_allow").is_none() {
        return Some(Vec::new());
    }
    let expected = "a list of https (or http) URLs without user, password, query and fragment";
    section.read("callback_allow", expected, |found| {
        found.texts()?.into_iter().map(|text| AllowRule::parse(text).ok()).collect()
    })
}

fn read_callback_body(section: &mut Section<'_>) -> Option<CallbackBody> {
    if section.find("callback_body").is_none() {
        return Some(CallbackBody::default());
    }
    section.read("callback_body", "\"thin\" or \"whole\"", |found| match found.text()? {
        "thin" => Some(CallbackBody::Thin),
        "whole" => Some(CallbackBody::Whole),
        _ => None,
    })
}
