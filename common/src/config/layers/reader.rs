//! Reads the merged tree key by key. A value that does not fit is noted, and reading goes
//! on, so that all errors come out at once.

use std::{net::SocketAddr, ops::RangeInclusive, time::Duration};

use ::config::{Map, Value, ValueKind};

use super::{
    error::{ConfigError, Origin, Problem, variable},
    load::Layers,
    schema,
    tree::{Item, Tree},
};

/// One section while it is read. Every method notes what is wrong and then gives `None`.
pub(in crate::config) struct Section<'t> {
    path: String,
    /// The layer that the section as a whole stands in; only an item has one.
    layer: Option<usize>,
    values: Option<&'t Map<String, Value>>,
    layers: &'t Layers,
    errors: &'t mut Vec<ConfigError>,
}

/// A value and the layer that it comes from.
#[derive(Clone, Copy)]
pub(in crate::config) struct Found<'t> {
    pub(in crate::config) value: &'t Value,
    pub(in crate::config) layer: usize,
    /// Variables are texts: numbers and lists are read out of them.
    is_variable: bool,
}

impl<'t> Section<'t> {
    /// The section called `path`.
    pub(in crate::config) fn of(
        tree: &'t Tree,
        path: &str,
        errors: &'t mut Vec<ConfigError>,
    ) -> Self {
        let mut values = Some(&tree.values);
        for name in path.split('.').filter(|name| !name.is_empty()) {
            values = values.and_then(|table| match &table.get(name)?.kind {
                ValueKind::Table(values) => Some(values),
                _ => None,
            });
        }
        Self { path: path.to_owned(), layer: None, values, layers: &tree.layers, errors }
    }

    /// An entry of a list.
    pub(in crate::config) fn item(
        tree: &'t Tree,
        item: &'t Item,
        errors: &'t mut Vec<ConfigError>,
    ) -> Self {
        let layers = &tree.layers;
        let (path, layer) = (item.path.clone(), Some(item.layer));
        Self { path, layer, values: Some(&item.values), layers, errors }
    }

    /// The value of `key`, if there is one.
    pub(in crate::config) fn find(&self, key: &str) -> Option<Found<'t>> {
        let value = self.values?.get(key)?;
        let layer = self.layer.unwrap_or_else(|| Layers::of(value));
        let origin = self.layers.origin(layer);
        let is_variable = matches!(origin, Origin::Environment | Origin::Variable(_));
        Some(Found { value, layer, is_variable })
    }

    /// What relative paths in a layer count from.
    pub(in crate::config) fn base(&self, layer: usize) -> std::path::PathBuf {
        self.layers.base(layer)
    }

    /// Notes that `key` of `layer` is wrong.
    pub(in crate::config) fn refuse(&mut self, key: &str, layer: Option<usize>, problem: Problem) {
        let origin = layer.or(self.layer).map(|layer| self.layers.origin(layer).clone());
        let key = Some(schema::join(&self.path, key));
        self.errors.push(ConfigError { origin, key, problem });
    }

    /// Notes that the value of `key` is not what was `expected`.
    pub(in crate::config) fn expected(&mut self, key: &str, expected: &str) {
        let layer = self.find(key).map(|found| found.layer);
        self.refuse(key, layer, Problem::Expected(expected.to_owned()));
    }

    /// Notes that `key` is missing; `other` may be given instead.
    pub(in crate::config) fn missing(&mut self, key: &str, other: Option<&str>) {
        let keys = other.map_or(format!("`{key}`"), |other| format!("`{key}` or `{other}`"));
        let hint = if self.layer.is_some() {
            format!("give {keys}")
        } else {
            let variable = variable(&schema::join(&self.path, key));
            format!("give {keys} under [{}], or the variable {variable}", self.path)
        };
        self.refuse(key, None, Problem::Missing { hint });
    }

    /// The value of `key` as `read` makes it; `None` from `read` means: not as expected.
    pub(in crate::config) fn read<T>(
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

    /// A whole number.
    pub(in crate::config) fn integer<T: TryFrom<i64>>(
        &mut self,
        key: &str,
        range: RangeInclusive<i64>,
    ) -> Option<T> {
        let expected = format!("a whole number from {} to {}", range.start(), range.end());
        self.read(key, &expected, |found| {
            found.integer().filter(|number| range.contains(number))?.try_into().ok()
        })
    }

    /// Yes or no.
    pub(in crate::config) fn flag(&mut self, key: &str) -> Option<bool> {
        self.read(key, "true or false", |found| match &found.value.kind {
            ValueKind::Boolean(flag) => Some(*flag),
            ValueKind::String(text) if found.is_variable => text.trim().parse().ok(),
            _ => None,
        })
    }

    /// A duration in whole units of `unit` seconds.
    pub(in crate::config) fn whole(
        &mut self,
        key: &str,
        unit: u64,
        range: RangeInclusive<i64>,
    ) -> Option<Duration> {
        self.integer(key, range).map(|count: u64| Duration::from_secs(count * unit))
    }

    /// A duration in seconds, with fractions.
    pub(in crate::config) fn seconds(
        &mut self,
        key: &str,
        range: RangeInclusive<f64>,
    ) -> Option<Duration> {
        let expected = format!("seconds from {} to {}", range.start(), range.end());
        self.read(key, &expected, |found| {
            found.number().filter(|number| range.contains(number)).map(Duration::from_secs_f64)
        })
    }

    /// An address to listen on.
    pub(in crate::config) fn address(&mut self, key: &str) -> Option<SocketAddr> {
        self.read(key, "an IP address and a port, such as \"127.0.0.1:8080\"", |found| {
            found.text()?.parse().ok()
        })
    }
}

impl<'t> Found<'t> {
    /// A text.
    pub(in crate::config) fn text(self) -> Option<&'t str> {
        match &self.value.kind {
            ValueKind::String(text) => Some(text),
            _ => None,
        }
    }

    /// A list of texts; in a variable they stand between commas.
    pub(in crate::config) fn texts(self) -> Option<Vec<&'t str>> {
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
