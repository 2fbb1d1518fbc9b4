//! The configuration that is in force, for people: TOML in the order of the default file, each
//! value that is not a default with its origin, secrets masked.

use std::fmt::Write;

use ::config::{Map, Value, ValueKind};

use super::{
    load::load,
    mask,
    origin::{Layers, Origin},
    schema::{self, Entry, SCHEMA},
    tree::{Item, Tree},
};
use crate::config::{Config, ConfigErrors, LoadOptions};

/// Returns the configuration in force as TOML with masked secrets: what `quhao config` prints.
pub fn effective_toml(options: &LoadOptions) -> Result<String, ConfigErrors> {
    Config::load(options)?;
    Ok(print(&load(options)))
}

fn print(tree: &Tree) -> String {
    let mut out = String::new();
    for section in SCHEMA.iter() {
        if section.list {
            let items = if section.name == "apps" { &tree.apps } else { &tree.clients };
            for item in items {
                let _ = write!(out, "\n[[{}]]", section.name);
                let origin = tree.layers.origin(item.layer);
                let _ = writeln!(out, "  # {origin}");
                print_entries(&mut out, section, &Values::Item(item));
            }
        } else {
            if !section.name.is_empty() {
                let _ = writeln!(out, "\n[{}]", section.name);
            }
            print_entries(&mut out, section, &Values::Tree(tree));
        }
    }
    out
}

/// Where the values of a section are.
enum Values<'t> {
    Tree(&'t Tree),
    Item(&'t Item),
}

impl<'t> Values<'t> {
    fn find(&self, path: &str, key: &str) -> Option<&'t Value> {
        match self {
            Self::Item(item) => item.values.get(key),
            Self::Tree(tree) => {
                let mut values: &Map<String, Value> = &tree.values;
                for name in path.split('.').filter(|name| !name.is_empty()) {
                    match &values.get(name)?.kind {
                        ValueKind::Table(table) => values = table,
                        _ => return None,
                    }
                }
                values.get(key)
            }
        }
    }

    /// Returns the value of `key`, unless its other form (`x` or `x_file`) in a later layer
    /// replaces it.
    fn in_force(&self, path: &str, key: &str) -> Option<&'t Value> {
        let value = self.find(path, key)?;
        let other = match key.strip_suffix("_file") {
            Some(plain) => self.find(path, plain),
            None => self.find(path, &format!("{key}_file")),
        };
        other.is_none_or(|other| Layers::of(other) <= Layers::of(value)).then_some(value)
    }
}

fn print_entries(out: &mut String, section: &schema::Section, values: &Values<'_>) {
    for entry in &section.entries {
        let Some(value) = values.in_force(&section.name, &entry.key) else { continue };
        let _ = write!(out, "{} = {}", entry.key, toml(section, entry, value));
        if let Values::Tree(tree) = values {
            let origin = tree.layers.origin(Layers::of(value));
            if *origin != Origin::Default {
                let _ = write!(out, "  # {origin}");
            }
        }
        out.push('\n');
    }
}

/// Returns a value in TOML. The text of a variable is shown as what its key takes.
fn toml(section: &schema::Section, entry: &Entry, value: &Value) -> String {
    let text = |text: &str| quoted(&mask::shown(section, &entry.key, text));
    match &value.kind {
        ValueKind::String(value) if entry.value.starts_with('[') => {
            list(value.split(',').map(str::trim).filter(|part| !part.is_empty()).map(text))
        }
        ValueKind::String(value)
            if entry.value.parse::<f64>().is_ok() || entry.value.parse::<bool>().is_ok() =>
        {
            value.trim().to_owned()
        }
        ValueKind::String(value) => text(value),
        ValueKind::Array(values) => list(values.iter().map(|value| match &value.kind {
            ValueKind::String(value) => text(value),
            _ => quoted("(set)"),
        })),
        ValueKind::I64(number) => number.to_string(),
        ValueKind::Float(number) => format!("{number:?}"),
        ValueKind::Boolean(value) => value.to_string(),
        _ => quoted("(set)"),
    }
}

/// Returns a TOML array.
fn list(parts: impl Iterator<Item = String>) -> String {
    format!("[{}]", parts.collect::<Vec<_>>().join(", "))
}

/// Returns a TOML basic string.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            control if control.is_control() => {
                let _ = write!(out, "\\u{:04X}", u32::from(control));
            }
            other => out.push(other),
        }
    }
    out.push('"');
    out
}
