//! Source files are short.

use crate::{offence::Offence, tree::Tree};

/// The longest source file: what a reader can hold in mind.
const LINES_MAX: usize = 300;

/// Finds source files that are too long.
pub(in crate::rules) fn check(tree: &Tree) -> Vec<Offence> {
    let long = tree.rust().filter_map(|file| {
        let lines = file.text.lines().count();
        let message = format!("{lines} lines, split it: at most {LINES_MAX}");
        (lines > LINES_MAX).then(|| Offence::at(&file.path, LINES_MAX + 1, message))
    });
    long.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_beyond_the_limit_is_found() {
        let (short, long) = ("\n".repeat(LINES_MAX), "\n".repeat(LINES_MAX + 1));
        let found = check(&Tree::of(&[("a.rs", &short), ("b.rs", &long), ("c.md", &long)]));
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].path.as_str(), found[0].line), ("b.rs", 301));
    }
}
