//! The rules that the tree keeps.

use crate::{offence::Offence, tree::Tree};

mod arrows;
mod documents;
mod files;
mod language;
mod migrations;

/// A rule that the tree keeps.
#[derive(Debug)]
pub struct Rule {
    /// What it is called on the command line.
    pub name: &'static str,
    /// What it demands.
    pub demand: &'static str,
    /// Finds every place that breaks it.
    pub check: fn(&Tree) -> Vec<Offence>,
}

const fn rule(name: &'static str, demand: &'static str, check: fn(&Tree) -> Vec<Offence>) -> Rule {
    Rule { name, demand, check }
}

/// Every rule.
pub const ALL: [Rule; 20] = [
    rule("length", "source files have at most 300 lines", files::length::check),
    rule(
        "file-names",
        "files are named after what they hold, and never mod.rs",
        files::names::check,
    ),
    rule("folders", "a folder has at most 15 modules", files::folders::check),
    rule("twins", "within a crate a file name has one meaning", files::twins::check),
    rule("words", "names are the field's", language::words::check),
    rule("phrases", "prose is plain", language::phrases::check),
    rule("fn-docs", "a function's doc starts with what it does", language::docs::check),
    rule("test-names", "names of tests have at most 50 characters", language::test_names::check),
    rule("tuples", "parameters have names, not positions", language::tuples::check),
    rule("links", "links between documents lead somewhere", documents::links::check),
    rule("paths", "every file that a text names exists", documents::paths::check),
    rule(
        "items",
        "every module, test and item that a document names exists",
        documents::items::check,
    ),
    rule("metrics", "documents name the metrics that are recorded", documents::metrics::check),
    rule("crates", "crates depend in one direction", arrows::crates::check),
    rule("circles", "no modules use each other in a circle", arrows::circles::check),
    rule("seams", "modules use only what is below them", arrows::seams::check),
    rule("pure", "the vocabulary has no I/O and no clock", arrows::pure::check),
    rule("settlement", "deliveries are settled in one place", arrows::settlement::check),
    rule("dependencies", "every dependency is used", arrows::dependencies::check),
    rule("migrations", "both databases have the same migrations", migrations::check),
];

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn tree_keeps_its_rules() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let tree = Tree::read(&root).expect("a tree that can be read");
        let broken: Vec<String> = ALL
            .iter()
            .flat_map(|rule| {
                let offences = (rule.check)(&tree);
                offences.into_iter().map(|offence| format!("{}: {offence}", rule.name))
            })
            .collect();
        assert!(broken.is_empty(), "broken rules:\n  {}", broken.join("\n  "));
    }

    #[test]
    fn names_of_rules_differ() {
        let mut names: Vec<&str> = ALL.iter().map(|rule| rule.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ALL.len());
    }
}
