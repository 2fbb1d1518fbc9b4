//! Prose is plain: some phrases have left it.

use crate::{file::File, offence::Offence, tree::Tree};

/// Phrases that no text contains, and what to say instead.
const FORBIDDEN: [(&str, &str); 8] = [
    ("without a word", "say what does not happen, or `kill -9`"),
    ("sit out", "say pause or wait"),
    ("sits out", "say pauses or waits"),
    ("sitting out", "say pausing or waiting"),
    ("get stuck", "say pause or block"),
    ("gets stuck", "say pauses or is blocked"),
    ("got stuck", "say paused or was blocked"),
    ("as good as lost", "say lost, or what is left"),
];

/// The file that lists the phrases.
const LIST: &str = "tests/tidy/src/rules/language/phrases.rs";

/// Kinds of files that hold no prose.
const WITHOUT_PROSE: [&str; 4] = ["json", "lock", "svg", "html"];

/// Finds such phrases in documents, comments, strings and names.
pub(in crate::rules) fn check(tree: &Tree) -> Vec<Offence> {
    let has_prose = |file: &&File| !WITHOUT_PROSE.contains(&file.extension()) && file.path != LIST;
    tree.files.iter().filter(has_prose).flat_map(of_file).collect()
}

fn of_file(file: &File) -> Vec<Offence> {
    let words = words(&file.text);
    let mut found = Vec::new();
    for (phrase, instead) in FORBIDDEN {
        let phrase: Vec<&str> = phrase.split(' ').collect();
        let starts = words.windows(phrase.len()).filter(|found| {
            found.iter().zip(&phrase).all(|((word, _), wanted)| word.eq_ignore_ascii_case(wanted))
        });
        let message = format!("\"{}\": {instead}", phrase.join(" "));
        found.extend(starts.map(|words| Offence::at(&file.path, words[0].1, message.clone())));
    }
    found.sort();
    found
}

/// Returns the words of a text with their lines; signs of comments are none.
fn words(text: &str) -> Vec<(&str, usize)> {
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let words = line.split(|c: char| !c.is_alphanumeric() && c != '\'');
        found.extend(words.filter(|word| !word.is_empty()).map(|word| (word, number + 1)));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phrase_is_found_across_lines_and_in_names() {
        let tree = Tree::of(&[
            ("a.rs", "/// Ends without\n/// a word.\nfn a() {}\nfn get_stuck() {}"),
            ("b.md", "It Sits out."),
        ]);
        let found: Vec<(String, usize)> =
            check(&tree).into_iter().map(|offence| (offence.path, offence.line)).collect();
        assert_eq!(found, [("a.rs".to_owned(), 1), ("a.rs".to_owned(), 4), ("b.md".to_owned(), 1)]);
    }

    #[test]
    fn plain_prose_passes() {
        assert_eq!(check(&Tree::of(&[("a.md", "Sit down. Out of words. The stuck get it.")])), []);
    }
}
