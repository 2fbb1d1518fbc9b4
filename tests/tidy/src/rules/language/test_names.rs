//! Names of tests are plain claims.

use crate::{file::File, offence::Offence, rust::function::functions, tree::Tree};

/// The longest name of a test.
const CHARACTERS_MAX: usize = 50;

/// Finds tests whose names are too long.
pub(in crate::rules) fn check(tree: &Tree) -> Vec<Offence> {
    tree.rust().flat_map(of_file).collect()
}

fn of_file(file: &File) -> Vec<Offence> {
    let tests = functions(&file.tokens).into_iter().filter(|function| function.is_test);
    let long = tests.filter(|test| test.name.len() > CHARACTERS_MAX);
    let offence = |test: crate::rust::function::Function<'_>| {
        let message = format!(
            "`{}` has {} characters, claim it in {CHARACTERS_MAX}",
            test.name,
            test.name.len()
        );
        Offence::at(&file.path, test.line, message)
    };
    long.map(offence).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_name_of_a_test_is_found() {
        let (short, long) = ("a".repeat(CHARACTERS_MAX), "b".repeat(CHARACTERS_MAX + 1));
        let source = format!(
            "in_both_modes!({long}c);\n#[test]\nfn {short}() {{}}\n#[test]\nfn {long}() {{}}\n\
             fn {long}c() {{}}\nfn {long}d() {{}}"
        );
        let found = check(&Tree::of(&[("a.rs", &source)]));
        let lines: Vec<usize> = found.iter().map(|offence| offence.line).collect();
        assert_eq!(lines, [5, 6]);
    }
}
