//! Names are the field's: some words have left the code.

use crate::{
    file::File,
    offence::Offence,
    rust::token::{Kind, Token},
    tree::Tree,
};

/// Words that no name contains, and what to say instead.
const FORBIDDEN: [(&str, &str); 20] = [
    ("parcel", "message"),
    ("parcels", "messages"),
    ("burial", "dead letter"),
    ("burials", "dead letters"),
    ("remains", "dead letter"),
    ("suspect", "quarantine"),
    ("suspects", "quarantine"),
    ("sibling", "duplicate or rival"),
    ("siblings", "duplicates or rivals"),
    ("gulp", "batch"),
    ("gulps", "batches"),
    ("standstill", "pause"),
    ("told", "notified or recorded"),
    ("news", "notification"),
    ("desk", "client pool or frontend"),
    ("desks", "client pools"),
    ("aside", "dead-lettered"),
    ("moment", "input or state"),
    ("moments", "inputs or states"),
    ("standing", "state"),
];

/// Names that stay: file, name, reason.
const ALLOWED: &[(&str, &str, &str)] = &[];

/// The file that lists the words.
const LIST: &str = "tests/tidy/src/rules/language/words.rs";

/// Finds names with such words: identifiers, and strings that are one name as a whole.
pub(in crate::rules) fn check(tree: &Tree) -> Vec<Offence> {
    let mut found = Vec::new();
    for file in tree.rust().filter(|file| file.path != LIST) {
        for token in file.tokens.iter().filter(|token| is_name(token)) {
            for segment in segments(&token.text) {
                let forbidden = FORBIDDEN.iter().find(|(word, _)| *word == segment);
                if let Some((word, instead)) = forbidden
                    && !is_allowed(file, token)
                {
                    let message = format!("`{}` contains `{word}`: say {instead}", token.text);
                    found.push(Offence::at(&file.path, token.line, message));
                }
            }
        }
    }
    found.dedup();
    found
}

fn is_name(token: &Token) -> bool {
    match token.kind {
        Kind::Ident | Kind::Lifetime => true,
        Kind::Literal => {
            token.text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        }
        _ => false,
    }
}

fn is_allowed(file: &File, token: &Token) -> bool {
    ALLOWED.iter().any(|(path, name, _)| file.path == *path && token.text == *name)
}

/// Splits a name into its words, in lower case.
fn segments(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = '_';
    for c in name.chars() {
        if c == '_' || (c.is_uppercase() && !before.is_uppercase()) {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| c != '_') {
            word.extend(c.to_lowercase());
        }
        before = c;
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(source: &str) -> usize {
        check(&Tree::of(&[("src/a.rs", source)])).len()
    }

    #[test]
    fn forbidden_word_in_a_name_is_found() {
        for source in [
            "struct Parcel;",
            "fn is_suspect() {}",
            "mod news;",
            "const GULP_MAX: u8 = 1;",
            "let x = \"quhao_suspects\";",
            "fn f<'told>() {}",
        ] {
            assert_eq!(found(source), 1, "{source}");
        }
    }

    #[test]
    fn other_words_and_prose_pass() {
        for source in [
            "let now = Instant::now();",
            "let remaining = momentum;",
            "// told, aside\nlet x = \"the news are told\";",
            "let newsletter = 1;",
        ] {
            assert_eq!(found(source), 0, "{source}");
        }
    }

    #[test]
    fn names_are_split_into_words() {
        assert_eq!(segments("HTTPServer_ofTold2"), ["httpserver", "of", "told2"]);
        assert_eq!(segments("MAX_SIZE"), ["max", "size"]);
    }
}
