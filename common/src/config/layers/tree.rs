//! Everything that was given, merged, with only known keys left. Unknown keys are refused
//! here, layer by layer, so that each error names its file or variable.

use std::{
    collections::BTreeSet,
    ffi::{OsStr, OsString},
    path::PathBuf,
};

use ::config::{FileFormat, Format, Map, Value, ValueKind};

use super::{
    error::{ConfigError, Problem},
    mask,
    origin::{Layers, VARIABLE_PREFIX, variable},
    schema,
};

/// A block of `[[apps]]` or `[[clients]]`.
pub(crate) struct Item {
    /// The name in errors, such as `apps[1]` for the second in its file.
    pub(crate) path: String,
    /// The layer that it is from.
    pub(crate) layer: usize,
    /// The values of its keys.
    pub(crate) values: Map<String, Value>,
}

/// Everything that was given, merged, with only known keys left.
pub(crate) struct Tree {
    /// The merged values of all layers, without apps and clients.
    pub(crate) values: Map<String, Value>,
    /// The `[[apps]]` of all files, which add up.
    pub(crate) apps: Vec<Item>,
    /// The `[[clients]]` of all files, which add up.
    pub(crate) clients: Vec<Item>,
    /// The layers, lowest first.
    pub(crate) layers: Layers,
    /// The layers that contain a secret, not only the name of a file that holds it.
    pub(crate) with_secrets: BTreeSet<usize>,
    /// The errors so far.
    pub(crate) errors: Vec<ConfigError>,
    /// Whether a file could not be read: then no value can be called missing.
    pub(crate) incomplete: bool,
}

impl Tree {
    /// Creates a tree without values; relative paths count from `directory`.
    pub(crate) fn new(directory: PathBuf) -> Self {
        Self {
            values: Map::new(),
            apps: Vec::new(),
            clients: Vec::new(),
            layers: Layers::new(directory),
            with_secrets: BTreeSet::new(),
            errors: Vec::new(),
            incomplete: false,
        }
    }

    /// Returns where an item is, for an error about another one.
    pub(crate) fn place(&self, item: &Item) -> String {
        format!("{} in {}", item.path, self.layers.origin(item.layer))
    }

    /// Parses a file and returns its known values. Its apps and clients go into lists of their
    /// own, since those of several files add up.
    pub(crate) fn parsed(&mut self, layer: usize, text: &str) -> Map<String, Value> {
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

    /// Returns the entries of a list of tables.
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

    /// Returns the known keys of an item; the others are errors.
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
                self.note_secret(layer, section, &key, &value);
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

    /// Returns the known keys and sections below `parent`; the others are errors.
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
                self.note_secret(layer, section, &key, &value);
                if matches!(value.kind, ValueKind::Table(_)) {
                    // No key takes a table, and nothing fits none either. Merging would take
                    // a table apart and lose where it is from.
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

    /// Notes a layer that contains a secret, not only the name of a file that holds it.
    fn note_secret(&mut self, layer: usize, section: &schema::Section, key: &str, value: &Value) {
        if section.is_secret(key) && mask::is_secret(value) {
            self.with_secrets.insert(layer);
        }
    }

    /// Returns the values that variables give, all of them texts.
    pub(crate) fn variables(
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

    /// Returns the values of a layer in which `log.filter` is `text`.
    pub(crate) fn filter(&mut self, layer: usize, text: &OsStr) -> Map<String, Value> {
        let mut log = Map::new();
        if let Some(text) = text.to_str() {
            log.insert("filter".to_owned(), Value::new(Some(&layer.to_string()), text));
        } else {
            self.expected(layer, "log.filter".to_owned(), "UTF-8");
        }
        Map::from_iter([("log".to_owned(), Value::from(log))])
    }

    /// Notes that the file of `layer` cannot be read.
    pub(crate) fn file_refused(&mut self, layer: usize, problem: Problem) {
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

/// Inserts `value` under `parent.key`.
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

/// Returns the values in the order of their keys, so that errors come in a fixed order.
fn sorted(values: Map<String, Value>) -> Vec<(String, Value)> {
    let mut values: Vec<_> = values.into_iter().collect();
    values.sort_by(|(left, _), (right, _)| left.cmp(right));
    values
}

/// Returns where a TOML error is. The rest of its text quotes the line, which may contain a
/// secret.
fn place_of(error: &str) -> String {
    let first = error.lines().next().unwrap_or_default();
    first.strip_prefix("TOML parse error at ").map_or(String::new(), |place| format!(": {place}"))
}
