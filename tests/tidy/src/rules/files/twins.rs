//! A file's name has one meaning within its crate.

use std::collections::BTreeMap;

use crate::{file::File, manifest, offence::Offence, tree::Tree};

/// Folders that look at the nouns of others from one side: a seam, a format, an interface, a
/// test. Their files are named after those nouns.
const NAMED_AFTER_OTHERS: [&str; 13] = [
    "amqp", "api", "config", "control", "envelope", "http", "it", "openapi", "postgres", "queue",
    "sqlite", "store", "tests",
];

/// Names that mean the same wherever they stand.
const SAME_EVERYWHERE: [&str; 4] = ["lib", "main", "tests", "error"];

/// Finds names of files that stand twice in a crate.
pub(in crate::rules) fn check(tree: &Tree) -> Vec<Offence> {
    let mut found = Vec::new();
    for package in manifest::packages(tree) {
        let mut named: BTreeMap<&str, Vec<&File>> = BTreeMap::new();
        for file in package.files {
            let inside = file.folder().strip_prefix(package.folder).unwrap_or_default();
            let is_exempt = SAME_EVERYWHERE.contains(&file.stem())
                || inside.split('/').any(|part| NAMED_AFTER_OTHERS.contains(&part));
            if !is_exempt {
                named.entry(file.stem()).or_default().push(file);
            }
        }
        for (_, files) in named.into_iter().filter(|(_, files)| files.len() > 1) {
            let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
            let message = format!("one name for two things, rename one: {}", paths.join(", "));
            found.push(Offence::of(paths[0], message));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_with_two_meanings_is_found() {
        let tree = Tree::of(&[
            ("a/Cargo.toml", ""),
            ("a/src/known.rs", ""),
            ("a/src/job/known.rs", ""),
            ("a/src/store/known.rs", ""),
            ("a/src/store/error.rs", ""),
            ("a/src/queue/error.rs", ""),
            ("b/Cargo.toml", ""),
            ("b/src/known.rs", ""),
        ]);
        let found = check(&tree);
        assert_eq!(found.len(), 1);
        assert!(found[0].message.ends_with("a/src/job/known.rs, a/src/known.rs"));
    }
}
