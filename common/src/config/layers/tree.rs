//! What was given, merged, with only known keys left: anything else is refused here, layer
//! by layer, so that each error names the file or variable that it stands in.

use std::{
    collections::BTreeSet,
    ffi::{OsStr, OsString},
};

use ::config::{FileFormat, Format, Map, Value, ValueKind};

use super::{
    error::{ConfigError, Problem, VARIABLE_PREFIX, variable},
    exposed,
    load::Layers,
    schema,
};

/// An entry of `[[apps]]` or `[[clients]]`.
pub(in crate::config) struct Item {
    /// `apps[1]`: the second in its file.
    pub(in crate::config) path: String,
    /// Index into [`Layers`].
    pub(in crate::config) layer: usize,
    /// Its keys.
    pub(in crate::config) values: Map<String, Value>,
}

/// Everything that was given, merged, with only known keys left.
pub(in crate::config) struct Tree {
    pub(in crate::config) values: Map<String, Value>,
    pub(in crate::config) apps: Vec<Item>,
    pub(in crate::config) clients: Vec<Item>,
    pub(in crate::config) layers: Layers,
    /// Those of the layers that hold a secret in the clear.
    pub(in crate::config) clear: BTreeSet<usize>,
    /// What is wrong so far.
    pub(in crate::config) errors: Vec<ConfigError>,
    /// Whether a file could not be read as a whole: then nothing can be called missing.
    pub(in crate::config) incomplete: bool,
}

impl Tree {
    /// A file's known values; apps and clients are set aside, since they add up.
    pub(in crate::config) fn parsed(&mut self, layer: usize, text: &str) -> Map<String, Value> {
        let mut values = match FileFormat::Toml.parse(Some(&layer.to_string()), text) {
            Ok(values) => values,
            Err(error) => {
                self.file_refused(layer, Problem::Syntax(place_of(&error.to_string())));
                return Map::new();
            }
        };
        let clients = values.remove("clients");
        let apps = values.remove("apps");
        let clients = self.items(layer, "clients", clients);
        self.clients.extend(clients);
        let apps = self.items(layer, "apps", apps);
        self.apps.extend(apps);
        self.known(layer, "", values)
    }

    /// The entries of a list of tables.
    fn items(&mut self, layer: usize, name: &str, value: Option<Value>) -> Vec<Item> {
        let mut items = Vec::new();
        match value.map(|value| value.kind) {
            None => {}
            Some(ValueKind::Array(values)) => {
                for (at, value) in values.into_iter().enumerate() {
                    let path = format!("{name}[{at}]");
                    if let ValueKind::Table(values) = value.kind {
                        let values = self.known_of_item(layer, name, &path, values);
                        items.push(Item { path, layer, values });
                    } else {
                        self.expected(layer, path, "a table");
                    }
                }
            }
            Some(_) => self.expected(layer, name.to_owned(), &format!("one [[{name}]] block each")),
        }
        items
    }

    /// Leaves only known keys of an item.
    fn known_of_item(
        &mut self,
        layer: usize,
        name: &str,
        path: &str,
        values: Map<String, Value>,
    ) -> Map<String, Value> {
        let mut known = Map::new();
        for (key, value) in sorted(values) {
            if let Some(section) = schema::section(name).filter(|at| at.entry(&key).is_some()) {
                self.note_if_clear(layer, section, &key, &value);
                known.insert(key, value);
            } else {
                let prefix = format!("{name}.");
                let nearest = schema::nearest(&schema::join(name, &key))
                    .and_then(|full| full.strip_prefix(&prefix).map(str::to_owned));
                self.unknown(layer, schema::join(path, &key), nearest);
            }
        }
        known
    }

    /// Leaves only known keys and sections below `parent`.
    fn known(
        &mut self,
        layer: usize,
        parent: &str,
        values: Map<String, Value>,
    ) -> Map<String, Value> {
        let mut known = Map::new();
        for (key, mut value) in sorted(values) {
            let path = schema::join(parent, &key);
            if schema::is_table(&path) {
                if let ValueKind::Table(values) = value.kind {
                    value.kind = ValueKind::Table(self.known(layer, &path, values));
                    known.insert(key, value);
                } else {
                    let table = format!("a table, [{path}]");
                    self.expected(layer, path, &table);
                }
            } else if let Some(section) =
                schema::section(parent).filter(|at| at.entry(&key).is_some())
            {
                self.note_if_clear(layer, section, &key, &value);
                if matches!(value.kind, ValueKind::Table(_)) {
                    // Merging takes tables apart and would lose where this one stands; no
                    // key takes a table, nor this.
                    value.kind = ValueKind::Nil;
                }
                known.insert(key, value);
            } else {
                let nearest = schema::nearest(&path);
                self.unknown(layer, path, nearest);
            }
        }
        known
    }

    /// Notes a layer in which a secret stands, not just the name of a file that holds it.
    fn note_if_clear(&mut self, layer: usize, at: &schema::Section, key: &str, value: &Value) {
        if at.is_secret(key) && exposed::is_secret(value) {
            self.clear.insert(layer);
        }
    }

    /// The values that variables give, all of them texts.
    pub(in crate::config) fn variables(
        &mut self,
        layer: usize,
        environment: &[(OsString, OsString)],
    ) -> Map<String, Value> {
        let mut root = Value::from(Map::<String, Value>::new());
        let mut given: Vec<_> = environment
            .iter()
            .filter_map(|(name, value)| {
                let key = name.to_str()?.strip_prefix(VARIABLE_PREFIX)?;
                Some((key.to_lowercase().replace("__", "."), value))
            })
            .collect();
        given.sort();
        for (path, value) in given {
            let (parent, key) = path.rsplit_once('.').unwrap_or(("", &path));
            let section = schema::section(parent).filter(|section| !section.list);
            if section.is_none_or(|section| section.entry(key).is_none()) {
                let nearest = schema::nearest(&path).map(|key| variable(&key));
                self.unknown(layer, path, nearest);
            } else if let Some(text) = value.to_str() {
                let value = Value::new(Some(&layer.to_string()), text);
                insert(&mut root, parent, key, value);
            } else {
                self.expected(layer, path, "UTF-8");
            }
        }
        match root.kind {
            ValueKind::Table(values) => values,
            _ => Map::new(),
        }
    }

    /// The layer in which `log.filter` is `text`.
    pub(in crate::config) fn filter(&mut self, layer: usize, text: &OsStr) -> Map<String, Value> {
        let mut log = Map::new();
        if let Some(text) = text.to_str() {
            log.insert("filter".to_owned(), Value::new(Some(&layer.to_string()), text));
        } else {
            self.expected(layer, "log.filter".to_owned(), "UTF-8");
        }
        Map::from_iter([("log".to_owned(), Value::from(log))])
    }

    pub(in crate::config) fn file_refused(&mut self, layer: usize, problem: Problem) {
        self.incomplete = true;
        let origin = Some(self.layers.origin(layer).clone());
        self.errors.push(ConfigError { origin, key: None, problem });
    }

    fn expected(&mut self, layer: usize, key: String, what: &str) {
        self.refused(layer, key, Problem::Expected(what.to_owned()));
    }

    fn unknown(&mut self, layer: usize, key: String, nearest: Option<String>) {
        self.refused(layer, key, Problem::Unknown { nearest });
    }

    fn refused(&mut self, layer: usize, key: String, problem: Problem) {
        let origin = Some(self.layers.origin(layer).clone());
        self.errors.push(ConfigError { origin, key: Some(key), problem });
    }
}

/// Puts `value` under `parent.key`.
fn insert(root: &mut Value, parent: &str, key: &str, value: Value) {
    let mut at = root;
    for name in parent.split('.').filter(|name| !name.is_empty()) {
        let ValueKind::Table(table) = &mut at.kind else { return };
        at = table
            .entry(name.to_owned())
            .or_insert_with(|| Value::from(Map::<String, Value>::new()));
    }
    if let ValueKind::Table(table) = &mut at.kind {
        table.insert(key.to_owned(), value);
    }
}

fn sorted(values: Map<String, Value>) -> Vec<(String, Value)> {
    let mut values: Vec<_> = values.into_iter().collect();
    values.sort_by(|(left, _), (right, _)| left.cmp(right));
    values
}

/// Where a TOML error is. The rest of its text quotes the line, and with it a secret.
fn place_of(error: &str) -> String {
    let first = error.lines().next().unwrap_or_default();
    first.strip_prefix("TOML parse error at ").map_or(String::new(), |place| format!(": {place}"))
}
