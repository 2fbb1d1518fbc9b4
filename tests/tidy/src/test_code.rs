//! Marks the tokens that exist for unit tests alone.

use crate::{
    file::File,
    rust::{
        attribute,
        token::{Kind, Token},
    },
};

/// Marks what stands under `#[cfg(test)]` or `#[test]`, in files that such a `mod` names too.
pub(crate) fn mark(files: &mut [File]) {
    let mut modules = Vec::new();
    for file in &mut *files {
        mark_items(&mut file.tokens);
        modules.extend(test_modules(file));
    }
    for file in files {
        if modules.iter().any(|module| file.is_of_module(module)) {
            file.tokens.iter_mut().for_each(|token| token.in_test = true);
        }
    }
}

/// Marks the items with such an attribute.
fn mark_items(tokens: &mut [Token]) {
    let mut at = 0;
    while at < tokens.len() {
        let Some(end) = attribute::end(tokens, at) else {
            at += 1;
            continue;
        };
        let attribute = &tokens[at..end];
        let is_test = attribute::makes_a_test(attribute) || attribute::is_for_tests(attribute);
        if !is_test {
            at = end;
            continue;
        }
        let end = if tokens[at + 1].is("!") { tokens.len() } else { item_end(tokens, end) };
        tokens[at..end].iter_mut().for_each(|token| token.in_test = true);
        at = end;
    }
}

/// Returns where the item ends that starts at `start`: after its block or its semicolon.
fn item_end(tokens: &[Token], start: usize) -> usize {
    let mut at = start;
    while at < tokens.len() {
        let token = &tokens[at];
        if token.is(";") {
            return at + 1;
        }
        let opens = token.is("(") || token.is("[") || token.is("{");
        let end = if opens { attribute::group_end(tokens, at) } else { at + 1 };
        if token.is("{") {
            return end;
        }
        at = end;
    }
    at
}

/// Returns the modules in files of their own that `file` declares for tests, as paths without
/// `.rs`.
fn test_modules(file: &File) -> Vec<String> {
    let is_root = matches!(file.stem(), "lib" | "main");
    let folder = match (is_root, file.folder()) {
        (true, "") => String::new(),
        (true, folder) => format!("{folder}/"),
        (false, _) => format!("{}/", file.path.trim_end_matches(".rs")),
    };
    let declared = file.tokens.windows(3).filter(|tokens| {
        tokens[0].is_ident("mod")
            && tokens[0].in_test
            && tokens[1].kind == Kind::Ident
            && tokens[2].is(";")
    });
    declared.map(|tokens| format!("{folder}{}", tokens[1].text)).collect()
}

#[cfg(test)]
mod tests {
    use crate::tree::Tree;

    fn outside_tests(tree: &Tree, path: &str) -> Vec<String> {
        let tokens = &tree.file(path).expect("the file").tokens;
        tokens.iter().filter(|token| !token.in_test).map(|token| token.text.clone()).collect()
    }

    #[test]
    fn items_for_tests_are_marked() {
        let tree = Tree::of(&[(
            "src/lib.rs",
            "#[cfg(test)] mod tests { fn a() {} } #[test] fn b() -> [u8; 2] { c } fn d() {}",
        )]);
        assert_eq!(outside_tests(&tree, "src/lib.rs"), ["fn", "d", "(", ")", "{", "}"]);
    }

    #[test]
    fn files_of_test_modules_are_marked() {
        let tree = Tree::of(&[
            ("src/a.rs", "#[cfg(test)]\nmod tests;\nmod b;"),
            ("src/a/tests.rs", "mod c;"),
            ("src/a/tests/c.rs", "x"),
            ("src/a/b.rs", "y"),
        ]);
        assert_eq!(outside_tests(&tree, "src/a/tests.rs"), [""; 0]);
        assert_eq!(outside_tests(&tree, "src/a/tests/c.rs"), [""; 0]);
        assert_eq!(outside_tests(&tree, "src/a/b.rs"), ["y"]);
    }
}
