//! Reads the modules of a crate, from its root file on.

use super::module::{Index, Mention, Module};
use crate::{
    file::File,
    rust::{
        attribute::group_end,
        import,
        token::{Kind, Token},
    },
    tree::Tree,
};

/// Keywords that an item's name follows.
const ITEMS: [&str; 8] = ["fn", "struct", "enum", "union", "trait", "type", "const", "static"];

/// Returns the modules that the compilation of `root` reaches, tests left out; the root first.
pub(crate) fn modules(tree: &Tree, root: &str) -> Vec<Module> {
    let mut builder = Builder { tree, modules: Vec::new() };
    if let Some(file) = tree.file(root) {
        builder.modules.push(Module { file: root.to_owned(), ..Module::default() });
        builder.read_file(0, file);
    }
    builder.modules
}

struct Builder<'a> {
    tree: &'a Tree,
    modules: Vec<Module>,
}

impl<'a> Builder<'a> {
    fn read_file(&mut self, module: Index, file: &File) {
        let outside_tests = |token: &&Token| !token.in_test && !token.is_comment();
        let tokens: Vec<Token> = file.tokens.iter().filter(outside_tests).cloned().collect();
        self.read(module, &tokens);
    }

    /// Reads a module's tokens.
    fn read(&mut self, module: Index, tokens: &[Token]) {
        let (mut at, mut depth, mut is_public) = (0, 0_usize, false);
        while let Some(token) = tokens.get(at) {
            let name = tokens.get(at + 1).filter(|next| next.kind == Kind::Ident);
            match (token.kind, token.text.as_str(), name) {
                (Kind::Ident, "mod", Some(name)) => {
                    at = self.read_child(module, name, tokens, at + 2);
                    continue;
                }
                (Kind::Ident, "use", Some(_)) => {
                    let rest = &tokens[at + 1..];
                    let length = rest.iter().position(|token| token.is(";")).unwrap_or(rest.len());
                    let imports = import::read(&rest[..length], is_public);
                    self.modules[module].imports.extend(imports);
                    at += 1 + length;
                    continue;
                }
                (Kind::Ident, "pub", _) => {
                    let is_limited = tokens.get(at + 1).is_some_and(|next| next.is("("));
                    at = if is_limited { group_end(tokens, at + 1) } else { at + 1 };
                    is_public = true;
                    continue;
                }
                (Kind::Ident, "macro_rules", _) => {
                    let name = tokens.get(at + 2).map(|name| name.text.clone());
                    self.modules[module].items.extend(name);
                }
                (Kind::Ident, keyword, Some(name)) if depth == 0 && ITEMS.contains(&keyword) => {
                    self.modules[module].items.insert(name.text.clone());
                }
                (Kind::Ident, ..) => {
                    at = self.read_mention(module, tokens, at);
                    is_public = false;
                    continue;
                }
                (Kind::Punctuation, "{" | "(" | "[", _) => depth += 1,
                (Kind::Punctuation, "}" | ")" | "]", _) => depth = depth.saturating_sub(1),
                _ => {}
            }
            is_public = false;
            at += 1;
        }
    }

    /// Reads the module `name`, declared before `at`; returns where its declaration ends.
    fn read_child(&mut self, parent: Index, name: &Token, tokens: &[Token], at: usize) -> usize {
        let is_inline = tokens.get(at).is_some_and(|token| token.is("{"));
        let end = if is_inline { group_end(tokens, at) } else { at };
        let file = if is_inline { None } else { self.child_file(parent, &name.text) };
        if !is_inline && file.is_none() {
            return end;
        }
        let index = self.modules.len();
        let above = &mut self.modules[parent];
        above.children.insert(name.text.clone(), index);
        let mut path = above.path.clone();
        path.push(name.text.clone());
        let (home, text) = match file {
            Some(file) => (index, file.path.clone()),
            None => (above.home, above.file.clone()),
        };
        self.modules.push(Module { path, file: text, parent, home, ..Module::default() });
        match file {
            Some(file) => self.read_file(index, file),
            None => self.read(index, &tokens[at + 1..end.saturating_sub(1)]),
        }
        end
    }

    /// Finds the file of the module `name` that `parent` declares.
    fn child_file(&self, parent: Index, name: &str) -> Option<&'a File> {
        let root = self.tree.file(&self.modules[0].file)?;
        let mut parts = vec![root.folder().to_owned()];
        parts.extend(self.modules[parent].path.iter().cloned());
        parts.push(name.to_owned());
        self.tree.file(&format!("{}.rs", parts.join("/").trim_start_matches('/')))
    }

    /// Reads the path that starts at `at`; returns where it ends.
    fn read_mention(&mut self, module: Index, tokens: &[Token], at: usize) -> usize {
        let mut path = vec![tokens[at].text.clone()];
        let mut end = at + 1;
        while let [separator, next, ..] = &tokens[end..]
            && separator.is("::")
            && next.kind == Kind::Ident
        {
            path.push(next.text.clone());
            end += 2;
        }
        let before = at.checked_sub(1).map(|before| &tokens[before]);
        if !before.is_some_and(|before| before.is(".") || before.is("::")) {
            self.modules[module].mentions.push(Mention { path, line: tokens[at].line });
        }
        end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_found_in_files_and_within_them() {
        let tree = Tree::of(&[
            ("src/lib.rs", "pub mod a; mod b { pub(crate) use super::a::A; fn c() {} }"),
            ("src/a.rs", "mod d; pub struct A; fn f() { d::g(x.h()) } #[cfg(test)] mod tests {}"),
            ("src/a/d.rs", "pub(super) fn g() {}"),
        ]);
        let found = modules(&tree, "src/lib.rs");
        let shown: Vec<_> =
            found.iter().map(|it| (it.path.join("::"), it.file.as_str(), it.home)).collect();
        assert_eq!(
            shown,
            [
                (String::new(), "src/lib.rs", 0),
                ("a".to_owned(), "src/a.rs", 1),
                ("a::d".to_owned(), "src/a/d.rs", 2),
                ("b".to_owned(), "src/lib.rs", 0),
            ]
        );
        assert!(found[1].items.contains("A") && found[2].items.contains("g"));
        assert!(found[3].imports[0].is_reexport);
        let mentioned: Vec<_> = found[1].mentions.iter().map(|it| it.path.join("::")).collect();
        assert_eq!(mentioned, ["A", "f", "d::g", "x"]);
    }
}
