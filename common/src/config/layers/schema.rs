//! Which keys there are, read from `config.default.toml`: what is documented there is
//! what is accepted, and nothing else.

use std::sync::LazyLock;

/// The fully commented default file.
pub const DEFAULTS: &str = include_str!("../../../config.default.toml");

/// Every section, in the order of the default file.
pub(in crate::config) static SCHEMA: LazyLock<Vec<Section>> = LazyLock::new(|| parse(DEFAULTS));

/// A section of the default file.
pub(in crate::config) struct Section {
    /// `http`, `platforms.wechat`; empty for the keys above the first section.
    pub(in crate::config) name: String,
    /// Whether it is a list of tables.
    pub(in crate::config) list: bool,
    /// What its comment says.
    pub(in crate::config) text: String,
    /// Its keys, in order.
    pub(in crate::config) entries: Vec<Entry>,
}

/// A key of the default file.
pub(in crate::config) struct Entry {
    /// Its name in its section.
    pub(in crate::config) key: String,
    /// Its value there, in TOML.
    pub(in crate::config) value: String,
    /// Whether that value is the default, and not an example.
    pub(in crate::config) is_default: bool,
    /// What its comment says.
    pub(in crate::config) text: String,
}

impl Section {
    /// The key called `key`.
    pub(in crate::config) fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// The full name of one of its keys.
    pub(in crate::config) fn path(&self, key: &str) -> String {
        join(&self.name, key)
    }

    /// Whether `key` is a secret: just those may stand in a file of their own.
    pub(in crate::config) fn is_secret(&self, key: &str) -> bool {
        self.entry(&format!("{key}_file")).is_some()
    }
}

/// The section called `name`.
pub(in crate::config) fn section(name: &str) -> Option<&'static Section> {
    SCHEMA.iter().find(|section| section.name == name)
}

/// Whether `name` is a section or the first part of one, as `platforms` is.
pub(in crate::config) fn is_table(name: &str) -> bool {
    SCHEMA.iter().any(|section| {
        !section.list
            && section
                .name
                .strip_prefix(name)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    })
}

/// `parent.key`, or `key` at the top.
pub(in crate::config) fn join(parent: &str, key: &str) -> String {
    if parent.is_empty() { key.to_owned() } else { format!("{parent}.{key}") }
}

/// The known name that looks most like `wrong` (a full one, such as `http.listn`), if any
/// comes near. A name of the same section wins over one of another.
pub(in crate::config) fn nearest(wrong: &str) -> Option<String> {
    let names = SCHEMA.iter().flat_map(|section| {
        let keys = section.entries.iter().map(|entry| section.path(&entry.key));
        keys.chain((!section.name.is_empty()).then(|| section.name.clone()))
    });
    let budget = if wrong.len() < 6 { 1 } else { 2 };
    names
        .filter(|name| name.len().abs_diff(wrong.len()) <= budget)
        .map(|name| (distance(&name, wrong), name))
        .filter(|(edits, _)| *edits <= budget)
        .min()
        .map(|(_, name)| name)
}

/// Edits (insert, delete, replace, swap neighbours) that turn `left` into `right`.
fn distance(left: &str, right: &str) -> usize {
    let (left, right) = (left.as_bytes(), right.as_bytes());
    let mut rows = vec![vec![0; right.len() + 1]; left.len() + 1];
    for l in 0..=left.len() {
        for r in 0..=right.len() {
            rows[l][r] = if l == 0 || r == 0 {
                l + r
            } else {
                let replaced = rows[l - 1][r - 1] + usize::from(left[l - 1] != right[r - 1]);
                let mut least = replaced.min(rows[l - 1][r] + 1).min(rows[l][r - 1] + 1);
                if l > 1 && r > 1 && left[l - 1] == right[r - 2] && left[l - 2] == right[r - 1] {
                    least = least.min(rows[l - 2][r - 2] + 1);
                }
                least
            };
        }
    }
    rows[left.len()][right.len()]
}

/// Reads the default file's layout: comments above what they explain, a line
/// `key = value` or `[section]` for each, with `#` right in front where there is no
/// default, blank lines between.
fn parse(text: &str) -> Vec<Section> {
    let mut sections = vec![new_section("", false, String::new())];
    let mut comment = Vec::new();
    for line in text.lines() {
        if line.is_empty() {
            comment.clear();
        } else if let Some(words) = line.strip_prefix("# ") {
            comment.push(words);
        } else if line == "#" {
            comment.push("");
        } else {
            let is_default = !line.starts_with('#');
            let line = line.trim_start_matches('#');
            let text = std::mem::take(&mut comment).join(" ");
            if let Some(name) = line.strip_prefix("[[").and_then(|rest| rest.strip_suffix("]]")) {
                sections.push(new_section(name, true, text));
            } else if let Some(name) =
                line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'))
            {
                sections.push(new_section(name, false, text));
            } else if let (Some((key, value)), Some(section)) =
                (line.split_once(" = "), sections.last_mut())
            {
                let (key, value) = (key.to_owned(), value.to_owned());
                section.entries.push(Entry { key, value, is_default, text });
            }
        }
    }
    sections
}

fn new_section(name: &str, list: bool, text: String) -> Section {
    Section { name: name.to_owned(), list, text, entries: Vec::new() }
}
