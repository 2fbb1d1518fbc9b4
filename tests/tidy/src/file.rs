//! One file of the project.

use crate::rust::token::Token;

/// One file of the project.
#[derive(Debug)]
pub(crate) struct File {
    /// From the root, with `/` between the parts.
    pub(crate) path: String,
    /// Its contents; empty if they are not UTF-8.
    pub(crate) text: String,
    /// What Rust's lexer makes of it; empty if it is not a Rust file.
    pub(crate) tokens: Vec<Token>,
}

impl File {
    /// Returns the name without the folder.
    pub(crate) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// Returns the name without folder and extension.
    pub(crate) fn stem(&self) -> &str {
        self.name().rsplit_once('.').map_or(self.name(), |(stem, _)| stem)
    }

    /// Returns what follows the last dot of the name; empty if there is none.
    pub(crate) fn extension(&self) -> &str {
        self.name().rsplit_once('.').map_or("", |(_, extension)| extension)
    }

    /// Returns the folder that the file is in; empty for the root.
    pub(crate) fn folder(&self) -> &str {
        self.path.rsplit_once('/').map_or("", |(folder, _)| folder)
    }

    /// Returns whether the file is in `folder` or in one of its folders.
    pub(crate) fn is_under(&self, folder: &str) -> bool {
        folder.is_empty()
            || self.path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
    }

    /// Returns whether the file is the module `module` or below it: `a/b` is `a/b.rs` and
    /// everything in `a/b/`.
    pub(crate) fn is_of_module(&self, module: &str) -> bool {
        self.is_under(module) || self.path.strip_suffix(".rs") == Some(module)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_is_taken_apart() {
        let file = File { path: "a/b/c.rs".to_owned(), text: String::new(), tokens: Vec::new() };
        assert_eq!((file.folder(), file.name()), ("a/b", "c.rs"));
        assert_eq!((file.stem(), file.extension()), ("c", "rs"));
        assert!(file.is_under("a") && file.is_under("a/b") && !file.is_under("a/b/c"));
        assert!(file.is_of_module("a/b/c") && file.is_of_module("a/b") && !file.is_of_module("b"));
    }
}
