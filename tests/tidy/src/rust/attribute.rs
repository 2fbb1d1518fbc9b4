//! Attributes: where they end and what they say.

use super::token::{Kind, Token};

/// Returns where the group ends that opens at `open`: the index after its closing bracket.
pub(crate) fn group_end(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        if token.is("(") || token.is("[") || token.is("{") {
            depth += 1;
        } else if token.is(")") || token.is("]") || token.is("}") {
            depth = depth.saturating_sub(1);
            if depth == 0 {
                return at + 1;
            }
        }
    }
    tokens.len()
}

/// Returns where the attribute ends that starts at `at`, if one does.
pub(crate) fn end(tokens: &[Token], at: usize) -> Option<usize> {
    if !tokens.get(at)?.is("#") {
        return None;
    }
    let open = if tokens.get(at + 1)?.is("!") { at + 2 } else { at + 1 };
    tokens.get(open)?.is("[").then(|| group_end(tokens, open))
}

/// Returns whether the attribute of these tokens makes a test: `#[test]`, `#[tokio::test(…)]`.
pub(crate) fn makes_a_test(attribute: &[Token]) -> bool {
    let in_path = |token: &&Token| token.kind == Kind::Ident || token.is("::");
    let path = attribute.iter().skip_while(|token| !in_path(token)).take_while(in_path);
    path.last().is_some_and(|token| token.is_ident("test"))
}

/// Returns whether the attribute of these tokens is `#[cfg(test)]` or one that implies it.
pub(crate) fn is_for_tests(attribute: &[Token]) -> bool {
    let mut idents = attribute.iter().filter(|token| token.kind == Kind::Ident);
    idents.next().is_some_and(|token| token.text == "cfg")
        && idents.clone().any(|token| token.text == "test")
        && idents.all(|token| token.text != "not")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rust::token::lex;

    #[test]
    fn attributes_of_tests_are_known() {
        for attribute in ["#[test]", "#[tokio::test(flavor = \"multi_thread\")]"] {
            assert!(makes_a_test(&lex(attribute)), "{attribute}");
        }
        for attribute in ["#[cfg(test)]", "#[must_use]", "#[expect(test)]"] {
            assert!(!makes_a_test(&lex(attribute)), "{attribute}");
        }
    }

    #[test]
    fn conditions_for_tests_are_known() {
        for attribute in ["#[cfg(test)]", "#![cfg(test)]", "#[cfg(all(test, unix))]"] {
            assert!(is_for_tests(&lex(attribute)), "{attribute}");
        }
        for attribute in ["#[test]", "#[cfg(unix)]", "#[cfg(not(test))]"] {
            assert!(!is_for_tests(&lex(attribute)), "{attribute}");
        }
    }
}
