//! `use` declarations, taken apart.

use super::token::{Kind, Token};

/// One name that a `use` brings in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Import {
    /// The path as it is written, groups resolved.
    pub(crate) path: Vec<String>,
    /// What it is called here; `None` for `*` and `_`.
    pub(crate) name: Option<String>,
    /// Whether it brings in everything, by `*`.
    pub(crate) is_glob: bool,
    /// Whether others can take it from here: `pub use`, `pub(crate) use`.
    pub(crate) is_reexport: bool,
    pub(crate) line: usize,
}

/// Reads the tree after `use`, up to its semicolon.
pub(crate) fn read(tree: &[Token], is_reexport: bool) -> Vec<Import> {
    let mut reader = Reader { tree, at: 0, is_reexport, found: Vec::new() };
    reader.branch(&[]);
    reader.found
}

struct Reader<'a> {
    tree: &'a [Token],
    at: usize,
    is_reexport: bool,
    found: Vec<Import>,
}

impl Reader<'_> {
    /// Reads one branch, which ends at a comma, a closing brace or the end.
    fn branch(&mut self, prefix: &[String]) {
        let (start, mut path, mut line) = (self.at, prefix.to_vec(), 0);
        while let Some(token) = self.tree.get(self.at) {
            line = if line == 0 { token.line } else { line };
            self.at += 1;
            match (token.kind, token.text.as_str()) {
                (Kind::Ident, "as") => return self.renamed(path, line),
                (Kind::Ident, "self") if !path.is_empty() => {}
                (Kind::Ident, text) => {
                    path.push(text.to_owned());
                    line = token.line;
                }
                (Kind::Punctuation, "*") => return self.push(path, None, true, line),
                (Kind::Punctuation, "{") => return self.group(&path),
                (Kind::Punctuation, "::") => {}
                _ => {
                    self.at -= 1;
                    break;
                }
            }
        }
        if self.at > start && !path.is_empty() {
            let name = path.last().cloned();
            self.push(path, name, false, line);
        }
    }

    fn group(&mut self, path: &[String]) {
        while let Some(token) = self.tree.get(self.at) {
            if token.is("}") {
                self.at += 1;
                return;
            }
            let start = self.at;
            self.branch(path);
            if self.at == start {
                self.at += 1; // a comma, or what only a macro understands
            }
        }
    }

    fn renamed(&mut self, path: Vec<String>, line: usize) {
        let name = self.tree.get(self.at).map(|token| token.text.clone());
        self.at += 1;
        self.push(path, name.filter(|name| name != "_"), false, line);
    }

    fn push(&mut self, path: Vec<String>, name: Option<String>, is_glob: bool, line: usize) {
        self.found.push(Import { path, name, is_glob, is_reexport: self.is_reexport, line });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rust::token::lex;

    #[test]
    fn nested_groups_are_taken_apart() {
        let found = read(&lex("crate::{a::{self, B}, c::D as E, f::*, g as _}"), false);
        let shown: Vec<(String, Option<String>)> =
            found.iter().map(|import| (import.path.join("::"), import.name.clone())).collect();
        let name = |name: &str| Some(name.to_owned());
        assert_eq!(
            shown,
            [
                ("crate::a".to_owned(), name("a")),
                ("crate::a::B".to_owned(), name("B")),
                ("crate::c::D".to_owned(), name("E")),
                ("crate::f".to_owned(), None),
                ("crate::g".to_owned(), None),
            ]
        );
        assert!(found[3].is_glob && !found[4].is_glob);
    }

    #[test]
    fn path_may_start_with_self() {
        let found = read(&lex("self::a::B"), true);
        assert_eq!(found[0].path, ["self", "a", "B"]);
        assert!(found[0].is_reexport);
    }
}
