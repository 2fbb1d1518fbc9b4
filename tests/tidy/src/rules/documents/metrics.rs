//! Documents name the metrics that are recorded.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    file::File,
    manifest, markdown,
    offence::Offence,
    rust::token::{Kind, Token},
    tree::Tree,
};

/// The document that lists all metrics, in whichever folder.
const PAGE: &str = "metrics.md";

/// What a metric's name starts with.
const PREFIX: &str = "quhao_";

/// What Prometheus appends to a histogram's name.
const SUFFIXES: [&str; 3] = ["_bucket", "_sum", "_count"];

/// Finds metrics that the page leaves out, and names in documents that no code records.
pub(in crate::rules) fn check(tree: &Tree) -> Vec<Offence> {
    let recorded = recorded(tree);
    let Some(page) = tree.with_extension("md").find(|file| file.name() == PAGE) else {
        return vec![Offence::of("docs", format!("write {PAGE}: it lists every metric"))];
    };
    if recorded.is_empty() {
        return vec![Offence::of(&page.path, "the code records no metrics: correct this rule")];
    }
    let documented = documented(page);
    let left_out = recorded.iter().filter(|(name, _)| !documented.contains_key(*name));
    let mut found: Vec<Offence> = left_out
        .map(|(name, (path, line))| {
            Offence::at(path, *line, format!("describe `{name}` in {}", page.path))
        })
        .collect();
    let others = other_names(tree);
    for file in tree.with_extension("md") {
        for (name, line) in self::documented(file) {
            if !recorded.contains_key(name) && !others.contains(name) {
                let message = format!("`{name}`: no code records such a metric");
                found.push(Offence::at(&file.path, line, message));
            }
        }
    }
    found
}

/// Returns the names of metrics in the sources, with the first place of each.
fn recorded(tree: &Tree) -> BTreeMap<&str, (&str, usize)> {
    let mut found = BTreeMap::new();
    let sources = tree.rust().filter(|file| file.path.contains("src/"));
    for file in sources.filter(|file| !file.is_under("tests")) {
        let is_list = file.path.contains("metrics");
        for (at, token) in file.tokens.iter().enumerate() {
            if is_metric(token) && (is_list || is_in_macro(&file.tokens[..at])) {
                found.entry(token.text.as_str()).or_insert((file.path.as_str(), token.line));
            }
        }
    }
    found
}

fn is_metric(token: &Token) -> bool {
    let is_of_a_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    token.kind == Kind::Literal
        && !token.in_test
        && token.text.starts_with(PREFIX)
        && token.text.chars().all(is_of_a_name)
}

/// Returns names that look like a metric's: of crates, and of tables and so on in the sources'
/// texts.
fn other_names(tree: &Tree) -> BTreeSet<String> {
    let crates = manifest::packages(tree).into_iter().map(|package| package.name.replace('-', "_"));
    let texts = tree.rust().flat_map(|file| &file.tokens);
    let texts = texts.filter(|token| token.kind == Kind::Literal && !is_metric(token));
    crates.chain(texts.flat_map(|token| names(&token.text)).map(str::to_owned)).collect()
}

/// Returns whether what comes next is the first argument of a macro that records.
fn is_in_macro(before: &[Token]) -> bool {
    let [.., name, bang, open] = before else {
        return false;
    };
    let records = ["counter", "gauge", "histogram"].iter().any(|it| name.is_ident(it));
    records && bang.is("!") && open.is("(")
}

/// Returns the metrics that a document names, with the first line of each.
fn documented(file: &File) -> BTreeMap<&str, usize> {
    let mut found = BTreeMap::new();
    for piece in markdown::lines(&file.text) {
        for name in names(piece.text) {
            let base = SUFFIXES.iter().find_map(|suffix| name.strip_suffix(suffix));
            found.entry(base.unwrap_or(name)).or_insert(piece.line);
        }
    }
    found
}

/// Returns the words of a text that start as a metric's name does.
fn names(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'));
    words.filter(|word| word.starts_with(PREFIX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(page: &str) -> Vec<Offence> {
        check(&Tree::of(&[
            ("docs/metrics.md", page),
            ("a/Cargo.toml", "[package]\nname = \"quhao-a\""),
            ("a/src/b.rs", "counter!(\"quhao_b_total\"); f(\"from quhao_x\");"),
            ("a/src/metrics.rs", "table! { \"quhao_c_seconds\" }"),
        ]))
    }

    #[test]
    fn metric_that_is_left_out_is_found() {
        let offences = found("`quhao_b_total`");
        assert_eq!(offences.len(), 1);
        assert_eq!(offences[0].path, "a/src/metrics.rs");
    }

    #[test]
    fn metric_that_nobody_records_is_found() {
        let offences = found("quhao_b_total\nquhao_c_seconds_bucket\nquhao_d");
        assert_eq!(offences.len(), 1);
        assert_eq!((offences[0].path.as_str(), offences[0].line), ("docs/metrics.md", 3));
    }

    #[test]
    fn crates_and_tables_are_no_metrics() {
        assert_eq!(found("quhao_b_total, quhao_c_seconds, quhao_a, quhao_x"), []);
    }

    #[test]
    fn absence_of_the_page_is_found() {
        assert_eq!(check(&Tree::of(&[])).len(), 1);
    }
}
