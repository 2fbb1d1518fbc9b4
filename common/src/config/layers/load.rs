//! The layers of a configuration: built-in defaults, the main file, `config.d/`, the
//! environment. Merged into one tree whose values know where they come from.

use std::{
    collections::BTreeSet,
    ffi::{OsStr, OsString},
    fmt, fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use ::config::{ConfigError as MergeError, Map, Source, Value};

use super::{
    error::{Origin, Problem},
    schema::DEFAULTS,
    tree::Tree,
};

/// The variable that programs with `tracing` are used to; it goes over `log.filter`.
pub const FILTER_VARIABLE: &str = "RUST_LOG";
/// The main file, where none is named.
pub const DEFAULT_FILE: &str = "quhao.toml";
/// The folder beside it.
const FOLDER: &str = "config.d";
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Where to look for a configuration. `Debug` leaves the environment out: it may hold
/// secrets.
#[derive(Clone, Default)]
pub struct LoadOptions {
    /// The file that `--config` names. `None`: `quhao.toml`, if it is there.
    pub file: Option<PathBuf>,
    /// The environment; names that begin with `QUHAO__` count, and [`FILTER_VARIABLE`].
    pub environment: Vec<(OsString, OsString)>,
    /// What relative paths count from; empty: the working directory.
    pub directory: PathBuf,
}

impl fmt::Debug for LoadOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoadOptions")
            .field("file", &self.file)
            .field("directory", &self.directory)
            .finish_non_exhaustive()
    }
}

impl LoadOptions {
    /// This process's environment and working directory.
    pub fn of_process(file: Option<PathBuf>) -> Self {
        Self { file, environment: std::env::vars_os().collect(), directory: PathBuf::new() }
    }

    /// The value of [`FILTER_VARIABLE`], unless it is empty.
    fn filter(&self) -> Option<&OsStr> {
        let is_named = |(name, _): &&(OsString, OsString)| name == FILTER_VARIABLE;
        let value = self.environment.iter().find(is_named)?.1.as_os_str();
        value.to_str().is_none_or(|text| !text.trim().is_empty()).then_some(value)
    }
}

/// Where values come from, the later over the earlier. A value's origin is an index here.
pub(in crate::config) struct Layers {
    origins: Vec<Origin>,
    directory: PathBuf,
}

impl Layers {
    /// The layer that `value` comes from.
    pub(in crate::config) fn of(value: &Value) -> usize {
        value.origin().and_then(|text| text.parse().ok()).unwrap_or(0)
    }

    /// What a layer is.
    pub(in crate::config) fn origin(&self, layer: usize) -> &Origin {
        &self.origins[layer]
    }

    /// Where the file of a layer is, if it is one.
    pub(in crate::config) fn file(&self, layer: usize) -> Option<PathBuf> {
        match &self.origins[layer] {
            Origin::File(path) => Some(self.directory.join(path)),
            Origin::Default | Origin::Environment | Origin::Variable(_) => None,
        }
    }

    /// What relative paths in a layer count from.
    pub(in crate::config) fn base(&self, layer: usize) -> PathBuf {
        match self.file(layer) {
            Some(path) => path.parent().map(Path::to_path_buf).unwrap_or_default(),
            None => self.directory.clone(),
        }
    }

    fn add(&mut self, origin: Origin) -> usize {
        self.origins.push(origin);
        self.origins.len() - 1
    }
}

/// Reads and merges all layers.
pub(in crate::config) fn load(options: &LoadOptions) -> Tree {
    let layers = Layers { origins: Vec::new(), directory: options.directory.clone() };
    let mut tree = Tree {
        values: Map::new(),
        apps: Vec::new(),
        clients: Vec::new(),
        layers,
        clear: BTreeSet::new(),
        errors: Vec::new(),
        incomplete: false,
    };
    let mut merged = ::config::Config::builder();
    let layer = tree.layers.add(Origin::Default);
    merged = merged.add_source(Layer(tree.parsed(layer, DEFAULTS)));
    for file in files(options, &mut tree) {
        let read = read_bounded(&options.directory.join(&file), FILE_BYTES_MAX);
        let layer = tree.layers.add(Origin::File(file));
        match read {
            Ok(text) => merged = merged.add_source(Layer(tree.parsed(layer, &text))),
            Err(error) => tree.file_refused(layer, Problem::File(error)),
        }
    }
    let layer = tree.layers.add(Origin::Environment);
    merged = merged.add_source(Layer(tree.variables(layer, &options.environment)));
    if let Some(filter) = options.filter() {
        let layer = tree.layers.add(Origin::Variable(FILTER_VARIABLE));
        merged = merged.add_source(Layer(tree.filter(layer, filter)));
    }
    match merged.build().and_then(|built| built.collect()) {
        Ok(values) => tree.values = values,
        // Layers are tables in memory: merging has nothing to fail at.
        Err(_) => tree.file_refused(0, Problem::Conflict("cannot be merged".to_owned())),
    }
    tree
}

/// The files to read, in order.
fn files(options: &LoadOptions, tree: &mut Tree) -> Vec<PathBuf> {
    let main = options.file.clone().unwrap_or_else(|| PathBuf::from(DEFAULT_FILE));
    let folder = main.parent().unwrap_or(Path::new("")).join(FOLDER);
    let mut files = Vec::new();
    if options.file.is_some() || options.directory.join(&main).exists() {
        files.push(main);
    }
    match toml_names(&options.directory.join(&folder)) {
        Ok(names) => files.extend(names.into_iter().map(|name| folder.join(name))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => {
            let layer = tree.layers.add(Origin::File(folder));
            tree.file_refused(layer, Problem::File(error));
        }
    }
    files
}

/// The names of the TOML files in `folder`, in order. Hidden ones are left out: editors
/// and Kubernetes keep copies of their own.
fn toml_names(folder: &Path) -> io::Result<Vec<OsString>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let path = Path::new(&name);
        let hidden = name.as_encoded_bytes().starts_with(b".");
        if !hidden && path.extension().is_some_and(|extension| extension == "toml") {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// The text of a file of at most `bytes_max`.
pub(in crate::config) fn read_bounded(path: &Path, bytes_max: u64) -> io::Result<String> {
    let mut text = String::new();
    fs::File::open(path)?.take(bytes_max + 1).read_to_string(&mut text)?;
    if text.len() as u64 > bytes_max {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("more than {bytes_max} bytes"),
        ));
    }
    Ok(text)
}

/// One layer as the merging library takes it. `Debug` shows nothing: it holds secrets.
#[derive(Clone)]
struct Layer(Map<String, Value>);

impl fmt::Debug for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Layer")
    }
}

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, MergeError> {
        Ok(self.0.clone())
    }
}
