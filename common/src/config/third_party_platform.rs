//! The third-party platform of `[platforms.wechat]`, which WeChat calls a component.
//!
//! It comes and goes with the apps that it manages, so it belongs to the directory of apps and
//! not to the section.

use std::path::PathBuf;

use super::layers::{error::Problem, reader::Section};
use crate::domain::{
    app::{AppId, ThirdPartyPlatform, ThirdPartyTokenSource},
    name::NAME_BYTES_MAX,
};

const APP_ID: &str = "component_appid";
const TOKEN_FILE: &str = "component_token_file";
const TOKEN_COMMAND: &str = "component_token_command";

/// Reads `platforms.wechat.component_*`; `None` if none of these is given.
pub(super) fn read(section: &mut Section<'_>) -> Option<ThirdPartyPlatform> {
    if [APP_ID, TOKEN_FILE, TOKEN_COMMAND].into_iter().all(|key| section.find(key).is_none()) {
        return None;
    }
    let expected = format!("1 to {NAME_BYTES_MAX} visible ASCII characters");
    let app_id = section.read(APP_ID, &expected, |found| AppId::new(found.text()?).ok());
    let token = match (section.find(TOKEN_FILE).is_some(), section.find(TOKEN_COMMAND).is_some()) {
        (true, true) => {
            section.refuse(TOKEN_COMMAND, None, Problem::Both(format!("`{TOKEN_FILE}`")));
            None
        }
        (false, true) => read_command(section).map(ThirdPartyTokenSource::Command),
        (true, false) => read_path(section).map(ThirdPartyTokenSource::File),
        (false, false) => {
            section.missing(TOKEN_FILE, Some(TOKEN_COMMAND));
            None
        }
    };
    Some(ThirdPartyPlatform { app_id: app_id?, token: token? })
}

fn read_command(section: &mut Section<'_>) -> Option<Vec<String>> {
    section.read(TOKEN_COMMAND, "a list of texts: a program and its arguments", |found| {
        let words: Vec<_> = found.texts()?.into_iter().map(str::to_owned).collect();
        let has_program = words.first().is_some_and(|program| !program.is_empty());
        has_program.then_some(words)
    })
}

fn read_path(section: &mut Section<'_>) -> Option<PathBuf> {
    let base = section.find(TOKEN_FILE).map(|found| section.base(found.layer)).unwrap_or_default();
    section.read(TOKEN_FILE, "the path of a file", |found| {
        found.text().filter(|path| !path.is_empty()).map(|path| base.join(path))
    })
}
