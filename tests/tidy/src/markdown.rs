//! What Markdown documents name. Code blocks are left out.

/// A piece of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Piece<'a> {
    pub(crate) text: &'a str,
    pub(crate) line: usize,
}

/// Returns the lines outside of code blocks.
pub(crate) fn lines(text: &str) -> Vec<Piece<'_>> {
    let mut in_code = false;
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        } else if !in_code {
            found.push(Piece { text: line, line: number + 1 });
        }
    }
    found
}

/// Returns the code within lines: what stands in backticks.
pub(crate) fn code(text: &str) -> Vec<Piece<'_>> {
    let mut found = Vec::new();
    for piece in lines(text) {
        let spans: Vec<&str> = piece.text.split('`').collect();
        let closed = spans.len() - usize::from(spans.len().is_multiple_of(2));
        let inside = spans.into_iter().take(closed).skip(1).step_by(2);
        found.extend(inside.map(|text| Piece { text, ..piece }));
    }
    found
}

/// Returns what links point to, as it is written.
pub(crate) fn links(text: &str) -> Vec<Piece<'_>> {
    let mut found = Vec::new();
    for piece in lines(text) {
        let targets = piece.text.split("](").skip(1);
        let targets = targets.filter_map(|rest| rest.split([')', ' ']).next());
        found.extend(targets.map(|text| Piece { text, ..piece }));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_and_links_are_found_by_line() {
        let text = "a `b` c `d`\n```\n`e` [f](g)\n```\n[h](i.md#j) and [k](l)";
        let shown = |pieces: Vec<Piece<'_>>| -> Vec<(String, usize)> {
            pieces.into_iter().map(|piece| (piece.text.to_owned(), piece.line)).collect()
        };
        assert_eq!(shown(code(text)), [("b".to_owned(), 1), ("d".to_owned(), 1)]);
        assert_eq!(shown(links(text)), [("i.md#j".to_owned(), 5), ("l".to_owned(), 5)]);
    }

    #[test]
    fn lone_backtick_opens_no_code() {
        assert_eq!(code("a ` b"), []);
        assert_eq!(code("`a` ` b").len(), 1);
    }
}
