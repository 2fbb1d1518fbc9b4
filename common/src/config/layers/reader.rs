//! Reads the merged tree key by key. A value that does not fit is noted as an error, and
//! reading goes on, so that all errors are reported at once.

use std::{net::SocketAddr, ops::RangeInclusive, path::PathBuf, time::Duration};

use ::config::{Map, Value, ValueKind};

use super::{
    error::{ConfigError, Problem},
    origin::{Layers, Origin, variable},
    schema,
    tree::{Item, Tree},
};
use crate::domain::name::NAME_BYTES_MAX;

/// A section while it is read. Its methods note what is wrong and then return `None`.
pub(crate) struct Section<'t> {
    path: String,
    /// The layer of the section as a whole; only an item has one.
    layer: Option<usize>,
    values: Option<&'t Map<String, Value>>,
    layers: &'t Layers,
    errors: &'t mut Vec<ConfigError>,
}

/// A value and the layer that it comes from.
#[derive(Clone, Copy)]
pub(crate) struct Found<'t> {
    /// The value.
    pub(crate) value: &'t Value,
    /// The layer.
    pub(crate) layer: usize,
    /// Whether a variable gives it: as a text, also where a number or a list is needed.
    is_variable: bool,
}

impl<'t> Section<'t> {
    /// Returns the section called `path`.
    pub(crate) fn of(tree: &'t Tree, path: &str, errors: &'t mut Vec<ConfigError>) -> Self {
        let mut values = Some(&tree.values);
        for name in path.split('.').filter(|name| !name.is_empty()) {
            values = values.and_then(|table| match &table.get(name)?.kind {
                ValueKind::Table(values) => Some(values),
                _ => None,
            });
        }
        Self { path: path.to_owned(), layer: None, values, layers: &tree.layers, errors }
    }

    /// Returns a block of a list as a section.
    pub(crate) fn item(tree: &'t Tree, item: &'t Item, errors: &'t mut Vec<ConfigError>) -> Self {
        Self {
            path: item.path.clone(),
            layer: Some(item.layer),
            values: Some(&item.values),
            layers: &tree.layers,
            errors,
        }
    }

    /// Returns the value of `key`, if there is one.
    pub(crate) fn find(&self, key: &str) -> Option<Found<'t>> {
        let value = self.values?.get(key)?;
        let layer = self.layer.unwrap_or_else(|| Layers::of(value));
        let origin = self.layers.origin(layer);
        let is_variable = matches!(origin, Origin::Environment | Origin::Variable(_));
        Some(Found { value, layer, is_variable })
    }

    /// Returns what relative paths in a layer count from.
    pub(crate) fn base(&self, layer: usize) -> PathBuf {
        self.layers.base(layer)
    }

    /// Notes that `key` in `layer` (or in the item's layer) is wrong.
    pub(crate) fn refuse(&mut self, key: &str, layer: Option<usize>, problem: Problem) {
        let origin = layer.or(self.layer).map(|layer| self.layers.origin(layer).clone());
        let key = Some(schema::join(&self.path, key));
        self.errors.push(ConfigError { origin, key, problem });
    }

    /// Notes that the value of `key` is not what was `expected`.
    pub(crate) fn expected(&mut self, key: &str, expected: &str) {
        let layer = self.find(key).map(|found| found.layer);
        self.refuse(key, layer, Problem::Expected(expected.to_owned()));
    }

    /// Notes that `key` is missing; `other` may be given instead.
    pub(crate) fn missing(&mut self, key: &str, other: Option<&str>) {
        let keys = other.map_or(format!("`{key}`"), |other| format!("`{key}` or `{other}`"));
        let hint = if self.layer.is_some() {
            format!("give {keys}")
        } else {
            let variable = variable(&schema::join(&self.path, key));
            format!("give {keys} under [{}], or the variable {variable}", self.path)
        };
        self.refuse(key, None, Problem::Missing { hint });
    }

    /// Returns the value of `key` as `read` makes it. `None` from `read` means that the value
    /// is not as `expected`.
    pub(crate) fn read<T>(
        &mut self,
        key: &str,
        expected: &str,
        read: impl FnOnce(Found<'t>) -> Option<T>,
    ) -> Option<T> {
        let Some(found) = self.find(key) else {
            self.missing(key, None);
            return None;
        };
        let value = read(found);
        if value.is_none() {
            self.expected(key, expected);
        }
        value
    }

    /// Returns a name, as `parse` makes it.
    pub(crate) fn name<T, E>(
        &mut self,
        key: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<T> {
        let expected = format!("1 to {NAME_BYTES_MAX} visible ASCII characters");
        self.read(key, &expected, |found| parse(found.text()?).ok())
    }

    /// Notes that `key` repeats the name of an item that is at `earlier`, if it does.
    pub(crate) fn refuse_repeated(&mut self, key: &str, earlier: Option<String>) {
        if let Some(earlier) = earlier {
            let text = format!("the same as that of {earlier}");
            self.refuse(key, None, Problem::Conflict(text));
        }
    }

    /// Returns a whole number.
    pub(crate) fn integer<T: TryFrom<i64>>(
        &mut self,
        key: &str,
        range: RangeInclusive<i64>,
    ) -> Option<T> {
        let expected = format!("a whole number from {} to {}", range.start(), range.end());
        self.read(key, &expected, |found| {
            found.integer().filter(|number| range.contains(number))?.try_into().ok()
        })
    }

    /// Returns whether a flag is set.
    pub(crate) fn flag(&mut self, key: &str) -> Option<bool> {
        self.read(key, "true or false", |found| match &found.value.kind {
            ValueKind::Boolean(flag) => Some(*flag),
            ValueKind::String(text) if found.is_variable => text.trim().parse().ok(),
            _ => None,
        })
    }

    /// Returns a duration in whole seconds.
    pub(crate) fn whole_seconds(
        &mut self,
        key: &str,
        range: RangeInclusive<i64>,
    ) -> Option<Duration> {
        self.integer(key, range).map(Duration::from_secs)
    }

    /// Returns a duration in whole hours.
    pub(crate) fn hours(&mut self, key: &str, range: RangeInclusive<i64>) -> Option<Duration> {
        self.integer(key, range).map(Duration::from_hours)
    }

    /// Returns a duration in seconds, with fractions.
    pub(crate) fn seconds(&mut self, key: &str, range: RangeInclusive<f64>) -> Option<Duration> {
        let expected = format!("seconds from {} to {}", range.start(), range.end());
        self.read(key, &expected, |found| {
            found.number().filter(|number| range.contains(number)).map(Duration::from_secs_f64)
        })
    }

    /// Returns an address to listen on.
    pub(crate) fn address(&mut self, key: &str) -> Option<SocketAddr> {
        self.read(key, "an IP address and a port, such as \"127.0.0.1:8080\"", |found| {
            found.text()?.parse().ok()
        })
    }
}

impl<'t> Found<'t> {
    /// Returns a text.
    pub(crate) fn text(self) -> Option<&'t str> {
        match &self.value.kind {
            ValueKind::String(text) => Some(text),
            _ => None,
        }
    }

    /// Returns a list of texts. A variable separates them by commas.
    pub(crate) fn texts(self) -> Option<Vec<&'t str>> {
        match &self.value.kind {
            ValueKind::String(text) if self.is_variable => {
                Some(text.split(',').map(str::trim).collect())
            }
            ValueKind::Array(values) => values
                .iter()
                .map(|value| match &value.kind {
                    ValueKind::String(text) => Some(text.as_str()),
                    _ => None,
                })
                .collect(),
            _ => None,
        }
    }

    fn integer(self) -> Option<i64> {
        match &self.value.kind {
            ValueKind::I64(number) => Some(*number),
            ValueKind::String(text) if self.is_variable => text.trim().parse().ok(),
            _ => None,
        }
    }

    fn number(self) -> Option<f64> {
        match &self.value.kind {
            ValueKind::Float(number) => Some(*number),
            ValueKind::I64(number) => Some(f64::from(i32::try_from(*number).ok()?)),
            ValueKind::String(text) if self.is_variable => text.trim().parse().ok(),
            _ => None,
        }
    }
}
