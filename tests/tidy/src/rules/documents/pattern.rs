//! Paths with alternatives and gaps, as documents write them.

/// Returns the paths that `a/{b,c}.rs` stands for.
pub(super) fn alternatives(path: &str) -> Vec<String> {
    let Some((before, rest)) = path.split_once('{') else {
        return vec![path.to_owned()];
    };
    let Some((choice, after)) = rest.split_once('}') else {
        return vec![path.to_owned()];
    };
    let one = |choice: &str| alternatives(&format!("{before}{}{after}", choice.trim()));
    choice.split(',').flat_map(one).collect()
}

/// Returns whether a name fits a pattern, in which `*`, `…` and `<anything>` are gaps.
pub(super) fn fits(pattern: &str, name: &str) -> bool {
    let mut pieces = Vec::new();
    let mut rest = pattern;
    while let Some(at) = rest.find(['*', '…', '<']) {
        pieces.push(&rest[..at]);
        let gap = &rest[at..];
        let is_named = gap.starts_with('<') && gap.contains('>');
        let end = gap.find(|c| if is_named { c == '>' } else { true }).unwrap_or_default();
        let sign = gap[end..].chars().next().map_or(0, char::len_utf8);
        rest = &gap[end + sign..];
    }
    let Some(first) = pieces.first() else {
        return pattern == name;
    };
    let Some(mut left) = name.strip_prefix(first) else {
        return false;
    };
    for piece in &pieces[1..] {
        match left.find(piece) {
            Some(at) => left = &left[at + piece.len()..],
            None => return false,
        }
    }
    left.ends_with(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alternatives_are_written_out() {
        assert_eq!(alternatives("a/{b,c}/{d,e}.rs").len(), 4);
        assert_eq!(alternatives("a/{b, c}.rs"), ["a/b.rs", "a/c.rs"]);
        assert_eq!(alternatives("a/b.rs"), ["a/b.rs"]);
    }

    #[test]
    fn gaps_fit_anything() {
        for (pattern, name) in [
            ("*.toml", "a.toml"),
            ("a…", "abc"),
            ("<noun>.rs", "b.rs"),
            ("a*c*", "abcd"),
            ("…", "a"),
        ] {
            assert!(fits(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [("a", "ab"), ("*.rs", "a.md"), ("b…", "abc"), ("a*x*", "abcd")] {
            assert!(!fits(pattern, name), "{pattern} {name}");
        }
    }
}
