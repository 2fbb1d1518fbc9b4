//! A file's name says what is inside.

use crate::{file::File, offence::Offence, tree::Tree};

/// Names that say nothing.
const EMPTY: [&str; 10] =
    ["common", "helper", "helpers", "misc", "models", "shared", "stuff", "types", "util", "utils"];

/// Finds `mod.rs` and names that say nothing.
pub(in crate::rules) fn check(tree: &Tree) -> Vec<Offence> {
    tree.rust().filter_map(judge).collect()
}

fn judge(file: &File) -> Option<Offence> {
    if file.name() == "mod.rs" {
        let message = format!("move it to {}.rs", file.folder());
        return Some(Offence::of(&file.path, message));
    }
    let says_nothing = EMPTY.contains(&file.stem());
    says_nothing.then(|| Offence::of(&file.path, "name it after what it holds"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_names_and_mod_rs_are_found() {
        let tree = Tree::of(&[("a/mod.rs", ""), ("a/utils.rs", ""), ("a/model.rs", "")]);
        let found: Vec<String> = check(&tree).into_iter().map(|offence| offence.path).collect();
        assert_eq!(found, ["a/mod.rs", "a/utils.rs"]);
    }
}
