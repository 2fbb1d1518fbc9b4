//! Every dependency is used.

use std::collections::BTreeSet;

use crate::{
    manifest::{self, Package},
    offence::Offence,
    rust::token::{Kind, Token},
    tree::Tree,
};

/// Dependencies that no source names: crate, dependency, reason.
const ALLOWED: &[(&str, &str, &str)] = &[];

/// Finds dependencies that nothing uses, or tests alone.
pub(in crate::rules) fn check(tree: &Tree) -> Vec<Offence> {
    let packages = manifest::packages(tree);
    let mut found: Vec<Offence> = packages.iter().flat_map(unused).collect();
    let wanted: BTreeSet<&str> = packages
        .iter()
        .flat_map(|package| &package.dependencies)
        .map(|dependency| dependency.name.as_str())
        .collect();
    if let Some(root) = tree.file("Cargo.toml") {
        let offered = manifest::dependencies(&root.text).into_iter();
        let spare = offered.filter(|dependency| !wanted.contains(dependency.name.as_str()));
        found.extend(spare.map(|spare| {
            Offence::at(&root.path, spare.line, format!("no crate uses `{}`: drop it", spare.name))
        }));
    }
    found
}

fn unused(package: &Package<'_>) -> Vec<Offence> {
    let (anywhere, outside_tests) = (named(package, true), named(package, false));
    let is_allowed =
        |name: &str| ALLOWED.iter().any(|it| (it.0, it.1) == (package.name.as_str(), name));
    let mut found = Vec::new();
    for dependency in package.dependencies.iter().filter(|it| !is_allowed(&it.name)) {
        let name = dependency.name.replace('-', "_");
        let advice = if !anywhere.contains(name.as_str()) {
            "drop it: nothing uses it"
        } else if !dependency.is_dev && !outside_tests.contains(name.as_str()) {
            "move it to dev-dependencies: tests alone use it"
        } else {
            continue;
        };
        let message = format!("`{}`: {advice}", dependency.name);
        found.push(Offence::at(&package.manifest.path, dependency.line, message));
    }
    found
}

/// Returns the names that a crate's sources use as crates: `name::…` and `use name`.
fn named<'a>(package: &Package<'a>, with_tests: bool) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let tests = format!("{}/tests", package.folder);
    for file in package.files.iter().filter(|file| with_tests || !file.is_under(&tests)) {
        let wanted = |token: &&Token| !token.is_comment() && (with_tests || !token.in_test);
        let tokens: Vec<&Token> = file.tokens.iter().filter(wanted).collect();
        for (at, token) in tokens.iter().enumerate().filter(|(_, it)| it.kind == Kind::Ident) {
            let is_path = tokens.get(at + 1).is_some_and(|next| next.is("::"));
            let is_use = at > 0 && tokens[at - 1].is_ident("use");
            if is_path || is_use {
                found.insert(token.text.as_str());
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(source: &str) -> Vec<Offence> {
        check(&Tree::of(&[
            ("Cargo.toml", "[workspace.dependencies]\nserde-json = \"1\"\ntokio = \"1\""),
            (
                "a/Cargo.toml",
                "[package]\nname = \"a\"\n[dependencies]\nserde-json = \"1\"\n\
                 [dev-dependencies]\ntokio = \"1\"",
            ),
            ("a/src/lib.rs", source),
        ]))
    }

    #[test]
    fn dependency_that_is_used_passes() {
        let test = "#[cfg(test)] mod tests { use tokio; }";
        assert_eq!(found(&format!("use serde_json as json; {test}")), []);
        assert_eq!(found(&format!("fn a() {{ serde_json::to_vec() }} {test}")), []);
    }

    #[test]
    fn dependency_that_nothing_uses_is_found() {
        let lines: Vec<usize> = found("// serde_json::x").iter().map(|it| it.line).collect();
        assert_eq!(lines, [4, 6]);
    }

    #[test]
    fn dependency_of_tests_alone_is_found() {
        let offences = found("#[cfg(test)] mod tests { use {serde_json::x, tokio::y}; }");
        assert_eq!(offences.len(), 1);
        assert!(offences[0].message.contains("dev-dependencies"));
    }

    #[test]
    fn entry_of_the_workspace_that_no_crate_uses_is_found() {
        let tree = Tree::of(&[("Cargo.toml", "[workspace.dependencies]\nrand = \"1\"")]);
        assert_eq!(check(&tree).len(), 1);
    }
}
