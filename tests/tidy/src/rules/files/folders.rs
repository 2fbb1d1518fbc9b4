//! Folders are small enough to be read at a glance.

use std::collections::{BTreeMap, BTreeSet};

use crate::{offence::Offence, tree::Tree};

/// The most modules in a folder; `foo.rs` with `foo/` is one.
const MODULES_MAX: usize = 15;

/// Files that are not counted.
const UNCOUNTED: [&str; 3] = ["lib", "main", "tests"];

/// Folders with one file for each noun of a seam.
const EXEMPT: [&str; 2] = ["store/postgres", "store/sqlite"];

/// Finds folders with too many modules.
pub(in crate::rules) fn check(tree: &Tree) -> Vec<Offence> {
    let mut modules: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for file in tree.rust() {
        modules.entry(file.folder()).or_default().insert(file.stem());
        // A folder that has no file of its name beside it counts as well.
        let mut folder = file.folder();
        while let Some((above, name)) = folder.rsplit_once('/') {
            if modules.contains_key(above) {
                modules.entry(above).or_default().insert(name);
            }
            folder = above;
        }
    }
    let is_exempt = |folder: &str| EXEMPT.iter().any(|exempt| folder.ends_with(exempt));
    let crowded = modules.iter().filter(|(folder, _)| !is_exempt(folder)).filter_map(|it| {
        let (folder, modules) = it;
        let count = modules.iter().filter(|module| !UNCOUNTED.contains(module)).count();
        let message = format!("{count} modules, group them in folders: at most {MODULES_MAX}");
        (count > MODULES_MAX).then(|| Offence::of(folder, message))
    });
    crowded.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns `count` files in `folder`, and what does not count.
    fn folder(folder: &str, count: usize) -> Vec<String> {
        let uncounted = ["lib.rs", "tests.rs", "tests/a.rs", "m0/a.rs", "m0/b/c.rs"];
        let counted = (0..count).map(|number| format!("m{number}.rs"));
        let names = counted.chain(uncounted.map(str::to_owned));
        names.map(|name| format!("{folder}/{name}")).collect()
    }

    fn found(paths: &[String]) -> Vec<Offence> {
        let files: Vec<(&str, &str)> = paths.iter().map(|path| (path.as_str(), "")).collect();
        check(&Tree::of(&files))
    }

    #[test]
    fn crowded_folder_is_found() {
        assert_eq!(found(&folder("a/src", 15)), []);
        let crowded = found(&folder("a/src", 16));
        assert_eq!(crowded.len(), 1);
        assert_eq!(crowded[0].path, "a/src");
    }

    #[test]
    fn folder_without_a_file_beside_it_counts() {
        let mut paths = folder("a/src", 15);
        paths.push("a/src/other/x.rs".to_owned());
        assert_eq!(found(&paths).len(), 1);
    }

    #[test]
    fn nouns_of_the_store_may_be_many() {
        assert_eq!(found(&folder("backend/src/store/sqlite", 20)), []);
    }
}
