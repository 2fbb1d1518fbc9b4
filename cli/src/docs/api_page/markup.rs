//! Texts as HTML. Every text of the page goes through here.

/// Escapes `text` for HTML, attributes included.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// Marks `text` up as code.
pub(super) fn code(text: &str) -> String {
    format!("<code>{}</code>", escaped(text))
}

/// Marks up a line of a description: what stands in backticks is code.
pub(super) fn inline(text: &str) -> String {
    let mut parts = text.split('`');
    let mut out = escaped(parts.next().unwrap_or_default());
    while let Some(inside) = parts.next() {
        match parts.next() {
            Some(after) => {
                out.push_str(&code(inside));
                out.push_str(&escaped(after));
            }
            // A backtick that is not closed stands for itself.
            None => out.push_str(&escaped(&format!("`{inside}"))),
        }
    }
    out
}

/// Wraps HTML in an element.
pub(super) fn element(name: &str, inside: &str) -> String {
    format!("<{name}>{inside}</{name}>")
}

/// Wraps each piece of HTML in an element.
pub(super) fn elements(name: &str, inside: impl IntoIterator<Item = String>) -> String {
    let all: Vec<_> = inside.into_iter().map(|inside| element(name, &inside)).collect();
    all.join("\n")
}

/// Returns a list of pieces of HTML, or nothing for no pieces.
pub(super) fn list(items: impl IntoIterator<Item = String>) -> String {
    let items = elements("li", items);
    if items.is_empty() { items } else { element("ul", &items) }
}

/// Links to another part of the page.
pub(super) fn link(anchor: &str, text: &str) -> String {
    format!("<a href=\"#{}\">{}</a>", escaped(anchor), escaped(text))
}

/// Marks up a description: paragraphs, and lines that begin with `- ` as a list.
pub(super) fn described(text: &str) -> String {
    let mut out = String::new();
    for block in text.split("\n\n").filter(|block| !block.trim().is_empty()) {
        let (items, lines): (Vec<&str>, Vec<&str>) =
            block.lines().partition(|line| line.starts_with("- "));
        if !lines.is_empty() {
            out.push_str(&element("p", &inline(&lines.join(" "))));
        }
        out.push_str(&list(items.into_iter().map(|item| inline(&item[2..]))));
    }
    out
}

/// Returns a table, or nothing for no rows. Cells are HTML already.
pub(super) fn table(heads: &[&str], rows: Vec<Vec<String>>) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let heads = elements("th", heads.iter().map(|head| (*head).to_owned()));
    let rows = elements("tr", rows.into_iter().map(|cells| elements("td", cells)));
    format!(
        "<div class=\"scroll\"><table><thead><tr>{heads}</tr></thead>\n<tbody>{rows}</tbody></table></div>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_cannot_break_out_of_their_element() {
        assert_eq!(escaped(r#"<a href="x">'&'"#), "&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;");
        assert_eq!(inline("a `<b>` c"), "a <code>&lt;b&gt;</code> c");
        assert_eq!(inline("a `<b> c"), "a `&lt;b&gt; c");
    }

    #[test]
    fn description_has_paragraphs_and_lists() {
        assert_eq!(described("a\nb\n\nc"), "<p>a b</p><p>c</p>");
        assert_eq!(
            described("a\n- `b`\n- c"),
            "<p>a</p><ul><li><code>b</code></li>\n<li>c</li></ul>"
        );
    }
}
