//! Functions with their documentation.

use std::collections::BTreeSet;

use super::{
    attribute,
    token::{Kind, Token},
};

/// The macro that runs the functions it names as tests.
const TEST_MACRO: &str = "in_both_modes";

/// A function of any kind and visibility.
#[derive(Debug)]
pub(crate) struct Function<'a> {
    pub(crate) name: &'a str,
    pub(crate) line: usize,
    /// The first line of its documentation that is not empty.
    pub(crate) doc: Option<&'a Token>,
    /// The first words of its attributes.
    pub(crate) attributes: Vec<&'a str>,
    /// Whether it is a test itself.
    pub(crate) is_test: bool,
    /// Whether it exists for tests alone.
    pub(crate) in_test: bool,
}

/// What stands between a function's documentation and `fn`.
#[derive(Default)]
struct Before<'a> {
    doc: Option<&'a Token>,
    attributes: Vec<&'a str>,
    is_test: bool,
}

/// Returns the functions of a file.
pub(crate) fn functions(tokens: &[Token]) -> Vec<Function<'_>> {
    let run = run_by_macro(tokens);
    let mut found = Vec::new();
    let mut before = Before::default();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        if let Some(end) = attribute::end(tokens, at) {
            let name = tokens[at..end].iter().find(|token| token.kind == Kind::Ident);
            before.attributes.extend(name.map(|name| name.text.as_str()));
            before.is_test |= attribute::makes_a_test(&tokens[at..end]);
            at = end;
            continue;
        }
        match (token.kind, token.text.as_str()) {
            (Kind::OuterDoc, text) => {
                before.doc = before.doc.or((!text.trim().is_empty()).then_some(token));
            }
            (Kind::Comment | Kind::Literal, _)
            | (Kind::Ident, "async" | "const" | "unsafe" | "extern") => {}
            (Kind::Ident, "pub") => {
                if tokens.get(at + 1).is_some_and(|next| next.is("(")) {
                    at = attribute::group_end(tokens, at + 1);
                    continue;
                }
            }
            (Kind::Ident, "fn") => {
                let before = std::mem::take(&mut before);
                let name = tokens.get(at + 1).filter(|next| next.kind == Kind::Ident);
                found.extend(name.map(|name| Function {
                    name: &name.text,
                    line: name.line,
                    doc: before.doc,
                    attributes: before.attributes,
                    is_test: before.is_test || run.contains(name.text.as_str()),
                    in_test: token.in_test,
                }));
            }
            _ => before = Before::default(),
        }
        at += 1;
    }
    found
}

/// Returns the names in calls of the macro that makes tests of them.
fn run_by_macro(tokens: &[Token]) -> BTreeSet<&str> {
    let calls = tokens.windows(3).enumerate().filter(|(_, tokens)| {
        tokens[0].is_ident(TEST_MACRO) && tokens[1].is("!") && tokens[2].is("(")
    });
    calls
        .flat_map(|(at, _)| &tokens[at + 3..attribute::group_end(tokens, at + 2)])
        .filter(|token| token.kind == Kind::Ident)
        .map(|token| token.text.as_str())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rust::token::lex;

    #[test]
    fn doc_is_found_through_attributes_and_visibility() {
        let tokens = lex("///\n/// Does a.\n/// More.\n#[must_use]\npub(crate) async fn a() {}");
        let found = functions(&tokens);
        let doc = found[0].doc.expect("a doc");
        assert_eq!((found[0].name, doc.text.as_str(), doc.line), ("a", " Does a.", 2));
    }

    #[test]
    fn doc_of_something_else_is_not_a_functions() {
        let tokens = lex("/// A type.\nstruct A;\nfn b() {}");
        assert!(functions(&tokens)[0].doc.is_none());
    }

    #[test]
    fn tests_are_known_by_attribute_and_by_macro() {
        let tokens =
            lex("in_both_modes!(a);\nasync fn a() {}\n#[tokio::test]\nasync fn b() {}\nfn c() {}");
        let found: Vec<_> = functions(&tokens).iter().map(|f| (f.name, f.is_test)).collect();
        assert_eq!(found, [("a", true), ("b", true), ("c", false)]);
    }
}
