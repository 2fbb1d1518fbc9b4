//! The vocabulary has no I/O and no clock.

use crate::{
    file::File,
    offence::Offence,
    rust::token::{Kind, Token},
    tree::Tree,
};

/// The modules that can be tested with every input.
const PURE: [&str; 3] = ["common/src/domain", "common/src/crypto", "common/src/envelope"];

/// Crates that do I/O.
const IO_CRATES: [&str; 6] = ["axum", "hyper", "lapin", "reqwest", "sqlx", "tokio"];

/// Paths to I/O, to clocks and to state that outlives a call.
const IO_PATHS: [[&str; 2]; 6] = [
    ["std", "fs"],
    ["std", "process"],
    ["SystemTime", "now"],
    ["Instant", "now"],
    ["OffsetDateTime", "now_utc"],
    ["UtcDateTime", "now"],
];

/// Finds I/O and clocks in the vocabulary.
pub(in crate::rules) fn check(tree: &Tree) -> Vec<Offence> {
    let missing = PURE.iter().filter(|module| !tree.has_module(module));
    let message = "there is none: correct the rule in tests/tidy";
    let mut found: Vec<Offence> = missing.map(|module| Offence::of(module, message)).collect();
    let is_pure = |file: &&File| PURE.iter().any(|module| file.is_of_module(module));
    found.extend(tree.rust().filter(is_pure).flat_map(of_file));
    found
}

fn of_file(file: &File) -> Vec<Offence> {
    let tokens: Vec<&Token> =
        file.tokens.iter().filter(|token| !token.in_test && !token.is_comment()).collect();
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate().filter(|(_, it)| it.kind == Kind::Ident) {
        let after: Vec<&str> = tokens[at..].iter().take(3).map(|it| it.text.as_str()).collect();
        let is_path = after.get(1) == Some(&"::");
        let is_continued = at > 0 && (tokens[at - 1].is("::") || tokens[at - 1].is("."));
        let is_crate = is_path && !is_continued && IO_CRATES.contains(&token.text.as_str());
        let is_call = IO_PATHS.iter().any(|[first, last]| after == [*first, "::", *last]);
        if is_crate || is_call {
            let message = format!("the vocabulary uses `{}`: let the caller do it", after.concat());
            found.push(Offence::at(&file.path, token.line, message));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(source: &str) -> usize {
        let files = [
            ("common/src/domain/a.rs", source),
            ("common/src/crypto/b.rs", ""),
            ("common/src/envelope.rs", ""),
            ("common/src/process/c.rs", "use tokio::time;"),
        ];
        check(&Tree::of(&files)).len()
    }

    #[test]
    fn io_and_clocks_are_found() {
        for source in ["use tokio::time;", "let x = std::fs::read(y);", "OffsetDateTime::now_utc()"]
        {
            assert_eq!(found(source), 1, "{source}");
        }
    }

    #[test]
    fn code_that_gets_the_time_passes() {
        let source = "// tokio::time\nuse time::OffsetDateTime; fn a(now: OffsetDateTime) {}\n\
            #[cfg(test)] mod tests { use tokio::time; }";
        assert_eq!(found(source), 0);
    }

    #[test]
    fn absence_of_the_vocabulary_is_found() {
        assert_eq!(check(&Tree::of(&[])).len(), PURE.len());
    }
}
