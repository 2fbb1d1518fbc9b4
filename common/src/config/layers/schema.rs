//! The known keys, read from `config.default.toml`: what is documented there is accepted, and
//! nothing else.

use std::sync::LazyLock;

use strsim::osa_distance;

/// The default file, with its comments.
pub const DEFAULTS: &str = include_str!("../../../config.default.toml");

/// Every section, in the order of the default file.
pub(crate) static SCHEMA: LazyLock<Vec<Section>> = LazyLock::new(|| parse(DEFAULTS));

/// A section of the default file.
pub(crate) struct Section {
    /// The name, such as `http` or `platforms.wechat`; empty for the keys above the first
    /// section.
    pub(crate) name: String,
    /// Whether it is a list of tables.
    pub(crate) list: bool,
    /// The text of its comment.
    pub(crate) text: String,
    /// Its keys, in order.
    pub(crate) entries: Vec<Entry>,
}

/// A key of the default file.
pub(crate) struct Entry {
    /// The name within its section.
    pub(crate) key: String,
    /// The value in the default file, in TOML.
    pub(crate) value: String,
    /// Whether that value is the default, not an example.
    pub(crate) is_default: bool,
    /// The text of its comment.
    pub(crate) text: String,
}

impl Section {
    /// Returns the entry called `key`.
    pub(crate) fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// Returns the full name of one of its keys.
    pub(crate) fn path(&self, key: &str) -> String {
        join(&self.name, key)
    }

    /// Returns whether `key` is a secret: only a secret may be in a file of its own.
    pub(crate) fn is_secret(&self, key: &str) -> bool {
        self.entry(&format!("{key}_file")).is_some()
    }
}

/// Returns the section called `name`.
pub(crate) fn section(name: &str) -> Option<&'static Section> {
    SCHEMA.iter().find(|section| section.name == name)
}

/// Returns whether `name` is a section or the first part of one, as `platforms` is.
pub(crate) fn is_table(name: &str) -> bool {
    SCHEMA.iter().any(|section| {
        !section.list
            && section
                .name
                .strip_prefix(name)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    })
}

/// Returns `parent.key`, or `key` at the top level.
pub(crate) fn join(parent: &str, key: &str) -> String {
    if parent.is_empty() { key.to_owned() } else { format!("{parent}.{key}") }
}

/// Returns the known name that is most similar to `wrong` (a full one, such as `http.listn`),
/// if one is similar enough.
pub(crate) fn nearest(wrong: &str) -> Option<String> {
    let names = SCHEMA.iter().flat_map(|section| {
        let keys = section.entries.iter().map(|entry| section.path(&entry.key));
        keys.chain((!section.name.is_empty()).then(|| section.name.clone()))
    });
    let edits_max = if wrong.len() < 6 { 1 } else { 2 };
    // Comparing with a very long name would take long.
    let similar = names.filter(|name| name.len().abs_diff(wrong.len()) <= edits_max);
    let measured = similar.map(|name| (osa_distance(&name, wrong), name));
    let (edits, name) = measured.min()?;
    (edits <= edits_max).then_some(name)
}

/// Reads the layout of the default file: comments above what they explain, then a line
/// `key = value` or `[section]`, with `#` right in front where there is no default, and blank
/// lines between.
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
                section.entries.push(Entry {
                    key: key.to_owned(),
                    value: value.to_owned(),
                    is_default,
                    text,
                });
            }
        }
    }
    sections
}

fn new_section(name: &str, list: bool, text: String) -> Section {
    Section { name: name.to_owned(), list, text, entries: Vec::new() }
}
