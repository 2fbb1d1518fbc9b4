//! Every file that a text names exists.

use super::pattern;
use crate::{file::File, markdown, offence::Offence, rust::token::Kind, tree::Tree};

/// Extensions of files in which paths are not this project's, or none.
const FOREIGN: [&str; 4] = ["json", "svg", "lock", "html"];

/// Extensions of the project's own files.
const EXTENSIONS: [&str; 9] = ["rs", "md", "sql", "toml", "py", "c", "css", "json", "svg"];

/// Names in documents that stand for any file, or for one that must not be.
const EXAMPLES: [&str; 3] = ["foo.rs", "foo/", "mod.rs"];

/// Finds paths of files and folders that are not there: in a document's code, and from the
/// project's root in any other text.
pub(in crate::rules) fn check(tree: &Tree) -> Vec<Offence> {
    let mut found = Vec::new();
    for file in &tree.files {
        for (path, line) in named(tree, file) {
            if !pattern::alternatives(path).iter().all(|one| exists(tree, one)) {
                let message = format!("`{path}`: name the file as it is called now");
                found.push(Offence::at(&file.path, line, message));
            }
        }
    }
    found.dedup();
    found
}

/// Returns the paths that a file names.
fn named<'a>(tree: &Tree, file: &'a File) -> Vec<(&'a str, usize)> {
    let words = |text: &'a str, line: usize| {
        text.lines().enumerate().flat_map(move |(more, text)| {
            let words = text.split(|c: char| c.is_whitespace() || "\"'`()|;=".contains(c));
            words.map(move |word| (word.trim_end_matches(['.', ',', ':']), line + more))
        })
    };
    if FOREIGN.contains(&file.extension()) {
        return Vec::new();
    }
    let from_root = |(word, _): &(&str, usize)| {
        let is_known = extension(word).is_some_and(|found| EXTENSIONS.contains(&found));
        is_known && is_from_root(tree, word)
    };
    if file.extension() == "md" {
        let code = markdown::code(&file.text).into_iter();
        let code = code.flat_map(|piece| words(piece.text, piece.line));
        return code.filter(|(word, _)| is_path(tree, word)).collect();
    }
    if file.extension() == "rs" {
        let texts = file
            .tokens
            .iter()
            .filter(|token| !token.in_test && (token.is_comment() || token.kind == Kind::Literal));
        return texts.flat_map(|token| words(&token.text, token.line)).filter(from_root).collect();
    }
    words(&file.text, 1).filter(from_root).collect()
}

/// Returns whether a word of a document's code names a file or a folder of the project.
fn is_path(tree: &Tree, word: &str) -> bool {
    let is_of_a_path = |c: char| c.is_ascii_alphanumeric() || "._-/{},*<>…".contains(c);
    let word = word.split("::").next().unwrap_or_default();
    if word.starts_with(['/', '-', '.']) || !word.chars().all(is_of_a_path) {
        return word.starts_with(".ci/");
    }
    let folder =
        word.strip_suffix('/').or_else(|| word.strip_suffix('…').filter(|it| it.contains('/')));
    let is_folder = folder.is_some_and(|name| !name.contains(['.', '…']));
    (is_folder || extension(word) == Some("rs") || is_from_root(tree, word))
        && !EXAMPLES.contains(&word)
}

/// Returns whether a word starts with a folder of the project's root.
fn is_from_root(tree: &Tree, word: &str) -> bool {
    word.split_once('/').is_some_and(|(first, _)| {
        first != "target" && !first.is_empty() && !first.contains('.') && tree.has(first)
    })
}

/// Returns what follows the last dot of a path.
fn extension(path: &str) -> Option<&str> {
    path.rsplit_once('.').map(|(_, extension)| extension)
}

/// Returns whether the tree has a file or a folder whose path ends in `path`, and in it what
/// may follow after `::`.
fn exists(tree: &Tree, path: &str) -> bool {
    let (path, item) = path.split_once("::").unwrap_or((path, ""));
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let has_item = |file: &File| {
        item.is_empty() || item.split("::").all(|name| file.tokens.iter().any(|t| t.is_ident(name)))
    };
    tree.files.iter().any(|file| {
        let names: Vec<&str> = file.path.split('/').collect();
        let ends = (parts.len()..=names.len()).filter(|end| item.is_empty() || *end == names.len());
        let mut ends = ends.map(|end| &names[end - parts.len()..end]);
        ends.any(|names| names.iter().zip(&parts).all(|(name, part)| pattern::fits(part, name)))
            && has_item(file)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> usize {
        let files = [
            (path, text),
            ("a/src/b.rs", "fn c() {}"),
            ("a/src/store/sqlite/d.rs", ""),
            ("docs/e.md", ""),
            (".ci/run", ""),
        ];
        check(&Tree::of(&files)).len()
    }

    #[test]
    fn path_that_is_gone_is_found() {
        for code in [
            "a/src/x.rs",
            "x.rs",
            "b.rs::x",
            "store/{sqlite,postgres}/d.rs",
            "a/x/",
            "x/",
            "a/run now",
            "x/…",
            ".ci/walk",
        ] {
            assert_eq!(found("f.md", &format!("See `{code}`.")), 1, "{code}");
        }
        assert_eq!(found("f.rs", "// See docs/x.md."), 1);
        assert_eq!(found("f.toml", "# docs/x.md"), 1);
    }

    #[test]
    fn path_that_exists_passes() {
        for code in [
            "a/src/b.rs",
            "b.rs",
            "b.rs::c",
            "store/*/d.rs",
            "src/store/<kind>/d.rs",
            "sqlite/",
            "a/",
            "src/stor…",
            "store/…",
            "ses_…",
            "foo.rs",
            ".ci/run",
            "a/src/{b,store/sqlite/d}.rs",
            "/v1/jobs",
            "application/json",
            "config.d/*.toml",
            "amqp://",
            "GET /x",
        ] {
            assert_eq!(found("f.md", &format!("See `{code}`.")), 0, "{code}");
        }
        assert_eq!(found("f.rs", "// See docs/e.md, not x.md or x/y.rs."), 0);
    }
}
