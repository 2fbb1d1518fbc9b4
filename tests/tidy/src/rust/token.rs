//! Splits Rust sources into tokens; comments are tokens too.

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An identifier or a keyword; `r#type` is `type`.
    Ident,
    /// `'a`, without the quote.
    Lifetime,
    /// A string's or a character's contents, as they are written.
    Literal,
    Number,
    /// A single character, or `::`.
    Punctuation,
    /// `/// …`: documents what follows.
    OuterDoc,
    /// `//! …`: documents what it is in.
    InnerDoc,
    Comment,
}

/// One token.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    /// Without quotes and comment signs.
    pub(crate) text: String,
    /// The line where it starts, from 1.
    pub(crate) line: usize,
    /// Whether it is compiled for unit tests alone, or part of a test.
    pub(crate) in_test: bool,
}

impl Token {
    /// Returns whether it is this identifier or keyword.
    pub(crate) fn is_ident(&self, text: &str) -> bool {
        self.kind == Kind::Ident && self.text == text
    }

    /// Returns whether it is this punctuation.
    pub(crate) fn is(&self, text: &str) -> bool {
        self.kind == Kind::Punctuation && self.text == text
    }

    /// Returns whether it is a comment of any kind.
    pub(crate) fn is_comment(&self) -> bool {
        matches!(self.kind, Kind::OuterDoc | Kind::InnerDoc | Kind::Comment)
    }
}

/// Splits `source` into tokens.
pub(crate) fn lex(source: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let (mut rest, mut line) = (source, 1);
    while let Some(first) = rest.chars().next() {
        let (length, token) = next(rest, first);
        if let Some((kind, text)) = token {
            tokens.push(Token { kind, text: text.to_owned(), line, in_test: false });
        }
        let (read, after) = rest.split_at(length);
        line += read.matches('\n').count();
        rest = after;
    }
    tokens
}

/// Returns the length of what `rest` starts with, and the token if it is not blank.
fn next(rest: &str, first: char) -> (usize, Option<(Kind, &str)>) {
    if first.is_whitespace() {
        let length = rest.find(|c: char| !c.is_whitespace()).unwrap_or(rest.len());
        return (length, None);
    }
    let (length, kind, text) = comment(rest)
        .or_else(|| string(rest))
        .or_else(|| quote(rest))
        .or_else(|| word(rest, first))
        .unwrap_or_else(|| {
            let length = if rest.starts_with("::") { 2 } else { first.len_utf8() };
            (length, Kind::Punctuation, &rest[..length])
        });
    (length, Some((kind, text)))
}

/// A token's length, kind and text.
type Read<'a> = (usize, Kind, &'a str);

/// Reads a comment.
fn comment(rest: &str) -> Option<Read<'_>> {
    let is_block = rest.starts_with("/*");
    if !is_block && !rest.starts_with("//") {
        return None;
    }
    let length = if is_block { block_length(rest) } else { rest.find('\n').unwrap_or(rest.len()) };
    let text = &rest[..length];
    let inner = text.strip_prefix("//!").or_else(|| text.strip_prefix("/*!"));
    let outer = text.strip_prefix("///").or_else(|| text.strip_prefix("/**"));
    let outer = outer.filter(|text| !text.starts_with(['/', '*']));
    Some(match (inner, outer) {
        (Some(text), _) => (length, Kind::InnerDoc, text),
        (None, Some(text)) => (length, Kind::OuterDoc, text),
        (None, None) => (length, Kind::Comment, &text[2..]),
    })
}

/// Returns the length of the block comment that `rest` starts with; they nest.
fn block_length(rest: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        let here = &rest.as_bytes()[at..];
        if here.starts_with(b"/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if here.starts_with(b"*/") {
            (depth, at) = (depth - 1, at + 2);
        } else {
            at += 1;
        }
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

/// Reads a string: plain, raw, of bytes or C's.
fn string(rest: &str) -> Option<Read<'_>> {
    let prefix = rest.find(|c: char| !matches!(c, 'b' | 'c' | 'r'))?;
    let is_prefix = matches!(&rest[..prefix], "" | "b" | "c" | "r" | "br" | "cr");
    let hashes = rest[prefix..].find(|c| c != '#')?;
    let is_raw = rest[..prefix].ends_with('r');
    let start = prefix + hashes + 1;
    if !is_prefix || (hashes > 0 && !is_raw) || rest.as_bytes()[start - 1] != b'"' {
        return None;
    }
    let end = if is_raw {
        let close = format!("\"{}", "#".repeat(hashes));
        rest[start..].find(&close).map_or(rest.len(), |at| start + at)
    } else {
        unescaped(rest, start, b'"')
    };
    Some((rest.len().min(end + 1 + hashes), Kind::Literal, &rest[start..end]))
}

/// Reads a character, a byte or a lifetime.
fn quote(rest: &str) -> Option<Read<'_>> {
    let start = if rest.starts_with("b'") { 2 } else { 1 };
    if start == 1 && !rest.starts_with('\'') {
        return None;
    }
    let mut after = rest[start..].chars();
    if after.next()? != '\\' && after.next() != Some('\'') {
        let end = rest[1..].find(|c| !is_of_word(c)).map_or(rest.len(), |at| at + 1);
        return Some((end, Kind::Lifetime, &rest[1..end]));
    }
    let end = unescaped(rest, start, b'\'').max(start + 1);
    Some((rest.len().min(end + 1), Kind::Literal, &rest[start..end]))
}

/// Returns where the first `close` is that no backslash precedes.
fn unescaped(rest: &str, start: usize, close: u8) -> usize {
    let mut at = start;
    while let Some(byte) = rest.as_bytes().get(at) {
        match byte {
            b'\\' => at += 2,
            byte if *byte == close => return at,
            _ => at += 1,
        }
    }
    rest.len()
}

/// Reads an identifier or a number.
fn word(rest: &str, first: char) -> Option<Read<'_>> {
    if !is_of_word(first) {
        return None;
    }
    let start = if rest.starts_with("r#") { 2 } else { 0 };
    let mut end = rest[start..].find(|c| !is_of_word(c)).map_or(rest.len(), |at| start + at);
    if !first.is_ascii_digit() {
        return Some((end, Kind::Ident, &rest[start..end]));
    }
    let fraction = rest[end..].strip_prefix('.').unwrap_or_default();
    if fraction.starts_with(|c: char| c.is_ascii_digit()) {
        end += 1 + fraction.find(|c| !is_of_word(c)).unwrap_or(fraction.len());
    }
    Some((end, Kind::Number, &rest[..end]))
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(source: &str) -> Vec<(Kind, String)> {
        lex(source).into_iter().map(|token| (token.kind, token.text)).collect()
    }

    #[test]
    fn strings_of_every_kind_are_one_token() {
        for (source, text) in [
            (r#""a \" b""#, r#"a \" b"#),
            (r##"r#"a " b"#"##, r#"a " b"#),
            (r#"b"a""#, "a"),
            (r##"br#"a"#"##, "a"),
            ("'\\''", "\\'"),
            ("'\"'", "\""),
            ("b'a'", "a"),
            ("'号'", "号"),
        ] {
            assert_eq!(texts(source), [(Kind::Literal, text.to_owned())], "{source}");
        }
    }

    #[test]
    fn lifetime_is_not_a_character() {
        let found = texts("&'a T<'_>");
        assert_eq!(found[1], (Kind::Lifetime, "a".to_owned()));
        assert_eq!(found[4], (Kind::Lifetime, "_".to_owned()));
    }

    #[test]
    fn kinds_of_comments_are_distinguished() {
        let kinds: Vec<Kind> = lex("/// a\n//! b\n// c\n/* d /* e */ f */\n//// g")
            .into_iter()
            .map(|token| token.kind)
            .collect();
        let comment = Kind::Comment;
        assert_eq!(kinds, [Kind::OuterDoc, Kind::InnerDoc, comment, comment, comment]);
    }

    #[test]
    fn identifiers_numbers_and_paths_are_split() {
        let found: Vec<String> = texts("r#type::b 1.5 0..2").into_iter().map(|(_, t)| t).collect();
        assert_eq!(found, ["type", "::", "b", "1.5", "0", ".", ".", "2"]);
    }

    #[test]
    fn lines_are_counted_through_strings_and_comments() {
        let lines: Vec<usize> = lex("a\n\"x\ny\" b\n/* \n */ c").iter().map(|t| t.line).collect();
        assert_eq!(lines, [1, 2, 3, 4, 5]);
    }
}
