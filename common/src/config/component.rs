//! The third-party platform of `[platforms.wechat]`. It comes and goes with the apps that
//! it looks after, so it belongs to the directory and not to the section.

use super::layers::{error::Problem, reader::Section};
use crate::domain::app::{AppId, Component, ComponentToken, NAME_BYTES_MAX};

/// `platforms.wechat.component_*`; `None` if nothing of it is given.
pub(super) fn read(at: &mut Section<'_>) -> Option<Component> {
    let (id, file, command) =
        ("component_appid", "component_token_file", "component_token_command");
    let given = |at: &Section<'_>, key| at.find(key).is_some();
    if [id, file, command].into_iter().all(|key| !given(at, key)) {
        return None;
    }
    let expected = format!("1 to {NAME_BYTES_MAX} visible ASCII characters");
    let app_id = at.read(id, &expected, |found| AppId::new(found.text()?).ok());
    let token = match (given(at, file), given(at, command)) {
        (true, true) => {
            at.refuse(command, None, Problem::Both(format!("`{file}`")));
            None
        }
        (false, true) => at
            .read(command, "a list of texts: a program and its arguments", |found| {
                let words: Vec<_> = found.texts()?.into_iter().map(str::to_owned).collect();
                words.first().is_some_and(|word| !word.is_empty()).then_some(words)
            })
            .map(ComponentToken::Command),
        (true, false) => {
            let base = at.find(file).map(|found| at.base(found.layer)).unwrap_or_default();
            at.read(file, "the path of a file", |found| {
                found.text().filter(|path| !path.is_empty()).map(|path| base.join(path))
            })
            .map(ComponentToken::File)
        }
        (false, false) => {
            at.missing(file, Some(command));
            None
        }
    };
    Some(Component { app_id: app_id?, token: token? })
}
