//! A third-party platform: it looks after apps whose secrets it does not have, and proves
//! itself with a token that is issued elsewhere.

use std::{fmt, path::PathBuf};

use super::AppId;

/// A third-party platform, as the apps that it looks after need it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Component {
    /// Its own appid.
    pub app_id: AppId,
    /// Where its current token is to be had.
    pub token: ComponentToken,
}

/// Where the current token is to be had.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum ComponentToken {
    /// In this file.
    File(PathBuf),
    /// From the output of this program with these arguments.
    Command(Vec<String>),
}

impl fmt::Debug for ComponentToken {
    /// Leaves the arguments out: somebody may put a password there.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Command(_) => f.write_str("Command(..)"),
        }
    }
}
