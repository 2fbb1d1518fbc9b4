//! The third-party platform of `[platforms.wechat]`: it looks after apps whose secrets it
//! does not have, and proves itself with a token that is issued elsewhere.

use std::path::PathBuf;

use super::{error::Problem, reader::Section};
use crate::app::{AppId, NAME_BYTES_MAX};

/// `platforms.wechat.component_*`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Component {
    /// Its own appid.
    pub app_id: AppId,
    /// Where its current token is to be had.
    pub token: ComponentToken,
}

/// Where the current token is to be had.
#[derive(Clone, PartialEq, Eq)]
pub enum ComponentToken {
    /// In this file.
    File(PathBuf),
    /// From the output of this program with these arguments.
    Command(Vec<String>),
}

impl std::fmt::Debug for ComponentToken {
    /// Leaves the arguments out: somebody may put a password there.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Command(_) => f.write_str("Command(..)"),
        }
    }
}

/// `None` if nothing of it is given.
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
