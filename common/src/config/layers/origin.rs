//! Where values come from: defaults, files, variables.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use ::config::Value;

/// Prefix of every variable that counts.
pub(crate) const VARIABLE_PREFIX: &str = "QUHAO__";

/// Returns the variable of a key.
pub(crate) fn variable(key: &str) -> String {
    let name = key.to_uppercase().replace('.', "__");
    format!("{VARIABLE_PREFIX}{}", name.escape_debug())
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// `config.default.toml`
    Default,
    /// A file, as it was named.
    File(PathBuf),
    /// A variable that is named after its key.
    Environment,
    /// A variable of another name.
    Variable(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("built-in defaults"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Environment => f.write_str("the environment"),
            Self::Variable(name) => write!(f, "the variable {name}"),
        }
    }
}

/// The origins of a configuration, the later over the earlier. A value's origin is an index
/// here: its layer.
pub(crate) struct Layers {
    origins: Vec<Origin>,
    directory: PathBuf,
}

impl Layers {
    /// Creates an empty list; relative paths count from `directory`.
    pub(crate) fn new(directory: PathBuf) -> Self {
        Self { origins: Vec::new(), directory }
    }

    /// Adds a layer over all others and returns its index.
    pub(crate) fn add(&mut self, origin: Origin) -> usize {
        self.origins.push(origin);
        self.origins.len() - 1
    }

    /// Returns the layer that `value` comes from.
    pub(crate) fn of(value: &Value) -> usize {
        value.origin().and_then(|text| text.parse().ok()).unwrap_or(0)
    }

    /// Returns the origin of a layer.
    pub(crate) fn origin(&self, layer: usize) -> &Origin {
        &self.origins[layer]
    }

    /// Returns where the file of a layer is, if it is one.
    pub(crate) fn file(&self, layer: usize) -> Option<PathBuf> {
        match &self.origins[layer] {
            Origin::File(path) => Some(self.directory.join(path)),
            Origin::Default | Origin::Environment | Origin::Variable(_) => None,
        }
    }

    /// Returns what relative paths in a layer count from.
    pub(crate) fn base(&self, layer: usize) -> PathBuf {
        match self.file(layer) {
            Some(path) => path.parent().map(Path::to_path_buf).unwrap_or_default(),
            None => self.directory.clone(),
        }
    }
}
