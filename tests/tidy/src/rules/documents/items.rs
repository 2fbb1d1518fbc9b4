//! Every module, test and item that a document names exists.

use std::collections::BTreeSet;

use crate::{
    file::File,
    manifest::{self, Package},
    markdown,
    offence::Offence,
    rust::{function::functions, token::Kind},
    tree::Tree,
};

/// Names that paths to other code start with, beside the dependencies.
const OUTSIDE: [&str; 7] = ["std", "core", "alloc", "clippy", "rustdoc", "cargo", "pg_catalog"];

/// The tests that the macro for both modes makes of one function.
const MODES: [&str; 2] = ["distributed", "embedded"];

/// Finds paths such as `fault::queue` or `Config::load` that lead nowhere.
pub(in crate::rules) fn check(tree: &Tree) -> Vec<Offence> {
    let packages = manifest::packages(tree);
    let paths: BTreeSet<String> = packages.iter().flat_map(paths).collect();
    let outside = outside(tree, &packages);
    let mut found = Vec::new();
    for file in tree.with_extension("md") {
        for piece in markdown::code(&file.text) {
            for path in piece.text.split_whitespace().filter_map(path) {
                let segments: Vec<&str> = path.split("::").collect();
                if !outside.contains(segments[0]) && !exists(tree, &paths, &segments) {
                    let message = format!("`{path}`: name it as it is called now");
                    found.push(Offence::at(&file.path, piece.line, message));
                }
            }
        }
    }
    found
}

/// Returns the path that a word is, if it is one: names with `::` between them.
fn path(word: &str) -> Option<&str> {
    let is_of_a_path = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let path = word.trim_end_matches("()").trim_end_matches("::");
    let is_one = path.chars().all(is_of_a_path) && !path.is_empty() && word.contains("::");
    is_one.then_some(path)
}

/// Returns the first names of paths that lead out of the project.
fn outside<'a>(tree: &'a Tree, packages: &'a [Package<'_>]) -> BTreeSet<String> {
    let own: Vec<&str> = packages.iter().map(|package| package.name.as_str()).collect();
    let all = tree.file("Cargo.toml").map(|root| manifest::dependencies(&root.text));
    let names = all.unwrap_or_default().into_iter().map(|dependency| dependency.name);
    let names = names.filter(|name| !own.contains(&name.as_str()));
    names.map(|name| name.replace('-', "_")).chain(OUTSIDE.map(str::to_owned)).collect()
}

/// Returns the paths of a crate's modules and functions, from its root.
fn paths(package: &Package<'_>) -> Vec<String> {
    package.files.iter().flat_map(|file| paths_of_file(package, file)).collect()
}

fn paths_of_file(package: &Package<'_>, file: &File) -> Vec<String> {
    let inside = file.path[package.folder.len()..].trim_start_matches('/');
    let parts: Vec<&str> = inside.trim_end_matches(".rs").split('/').skip(1).collect();
    let is_root = matches!(file.stem(), "lib" | "main") && parts.len() == 1;
    let module = if is_root { String::new() } else { parts.join("::") };
    let mut paths = Vec::new();
    for function in functions(&file.tokens) {
        let path = format!("{module}::{}", function.name);
        if function.is_test {
            paths.extend(MODES.map(|mode| format!("{path}::{mode}")));
        }
        paths.push(path);
    }
    paths.push(module);
    paths
}

fn exists(tree: &Tree, paths: &BTreeSet<String>, segments: &[&str]) -> bool {
    let is_type = |segment: &&str| segment.starts_with(|c: char| c.is_ascii_uppercase());
    if let Some(at) = segments.iter().position(is_type) {
        let of_type = &segments[at..];
        return tree.rust().any(|file| of_type.iter().all(|name| has_ident(file, name)));
    }
    let inside = if matches!(segments[0], "it" | "crate") { &segments[1..] } else { segments };
    let path = inside.join("::");
    inside.is_empty()
        || paths.iter().any(|known| {
            known.strip_suffix(&path).is_some_and(|rest| rest.is_empty() || rest.ends_with("::"))
        })
}

fn has_ident(file: &File, name: &str) -> bool {
    file.tokens.iter().any(|token| token.kind == Kind::Ident && token.text == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(code: &str) -> usize {
        let document = format!("See `{code}`.");
        let files = [
            ("Cargo.toml", "[workspace.dependencies]\ntokio = \"1\""),
            ("a.md", document.as_str()),
            ("tests/Cargo.toml", "[package]\nname = \"tests\""),
            ("tests/it/fault/queue.rs", "in_both_modes!(lost);\nasync fn lost() {}"),
            ("b/Cargo.toml", "[package]\nname = \"b\""),
            ("b/src/lib.rs", "fn start() {}"),
            ("b/src/c.rs", "impl Config { fn load() {} }"),
        ];
        check(&Tree::of(&files)).len()
    }

    #[test]
    fn path_that_is_gone_is_found() {
        let gone =
            ["fault::store", "fault::queue::found", "Config::save", "tests/run fault::x", "it::x"];
        for code in gone {
            assert_eq!(found(code), 1, "{code}");
        }
    }

    #[test]
    fn path_that_exists_passes() {
        for code in [
            "fault::queue",
            "it::fault::queue::lost",
            "fault::queue::lost::embedded",
            "Config::load()",
            "c::load",
            "std::fmt",
            "tokio::spawn",
            "clippy::x",
            "a: b",
        ] {
            assert_eq!(found(code), 0, "{code}");
        }
    }
}
