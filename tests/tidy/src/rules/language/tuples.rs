//! Parameters have names, not positions.

use crate::{
    file::File,
    offence::Offence,
    rust::{attribute::group_end, token::Token},
    tree::Tree,
};

/// Finds parameters that are tuples taken apart: `(a, b): (A, B)`.
pub(in crate::rules) fn check(tree: &Tree) -> Vec<Offence> {
    tree.rust().flat_map(of_file).collect()
}

fn of_file(file: &File) -> Vec<Offence> {
    let outside_tests = |token: &&Token| !token.in_test && !token.is_comment();
    let tokens: Vec<Token> = file.tokens.iter().filter(outside_tests).cloned().collect();
    let mut found = Vec::new();
    for (at, _) in tokens.iter().enumerate().filter(|(_, token)| token.is_ident("fn")) {
        let Some(open) = (at..tokens.len()).find(|at| tokens[*at].is("(")) else { continue };
        let parameters = &tokens[open + 1..group_end(&tokens, open).saturating_sub(1)];
        if let Some(line) = tuple(parameters) {
            let message = "a tuple as parameter: name the parts, in a struct if they are many";
            found.push(Offence::at(&file.path, line, message));
        }
    }
    found
}

/// Returns the line of the first parameter that is a tuple pattern.
fn tuple(parameters: &[Token]) -> Option<usize> {
    let (mut at, mut is_start) = (0, true);
    while let Some(token) = parameters.get(at) {
        let is_open = token.is("(") || token.is("[") || token.is("{");
        let end = if is_open { group_end(parameters, at) } else { at + 1 };
        if is_start && token.is("(") && parameters.get(end).is_some_and(|next| next.is(":")) {
            return Some(token.line);
        }
        is_start = token.is(",");
        at = end;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(source: &str) -> usize {
        check(&Tree::of(&[("a.rs", source)])).len()
    }

    #[test]
    fn tuple_pattern_is_found() {
        assert_eq!(found("fn a(x: u8, (y, z): (u8, &str)) {}"), 1);
        assert_eq!(found("impl A { async fn a<T>(&self, (y, z): (T, T)) {} }"), 1);
    }

    #[test]
    fn closures_and_tuple_types_pass() {
        assert_eq!(found("fn a(pairs: &[(u8, u8)]) { pairs.iter().map(|(a, b)| a + b); }"), 0);
        assert_eq!(found("fn a(f: impl Fn((u8, u8)) -> u8) {}"), 0);
    }
}
