//! Loads the layers of a configuration (built-in defaults, the main file, `config.d/`, the
//! environment) and merges them into one tree whose values know where they come from.

use std::{
    ffi::{OsStr, OsString},
    fmt, fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use ::config::{ConfigError as MergeError, Map, Source, Value};

use super::{error::Problem, origin::Origin, schema::DEFAULTS, tree::Tree};

/// The variable that is usual for programs with `tracing`. It overrides `log.filter`.
pub const FILTER_VARIABLE: &str = "RUST_LOG";
/// The main file if none is named.
pub const DEFAULT_FILE: &str = "quhao.toml";
/// The folder of further files, beside the main file.
const FOLDER: &str = "config.d";
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Where to find a configuration. `Debug` leaves the environment out: it may hold secrets.
#[derive(Clone, Default)]
pub struct LoadOptions {
    /// The file that `--config` names; `None`: `quhao.toml`, if it is there.
    pub file: Option<PathBuf>,
    /// The environment; names that begin with `QUHAO__` count, and [`FILTER_VARIABLE`].
    pub environment: Vec<(OsString, OsString)>,
    /// The folder that relative paths count from; empty: the working directory.
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
    /// Creates the options with this process's environment and working directory.
    pub fn of_process(file: Option<PathBuf>) -> Self {
        Self { file, environment: std::env::vars_os().collect(), directory: PathBuf::new() }
    }

    /// Returns the value of [`FILTER_VARIABLE`], unless it is empty.
    fn filter(&self) -> Option<&OsStr> {
        let is_named = |(name, _): &&(OsString, OsString)| name == FILTER_VARIABLE;
        let value = self.environment.iter().find(is_named)?.1.as_os_str();
        value.to_str().is_none_or(|text| !text.trim().is_empty()).then_some(value)
    }
}

/// Reads and merges all layers.
pub(crate) fn load(options: &LoadOptions) -> Tree {
    let mut tree = Tree::new(options.directory.clone());
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
        // Layers are tables in memory: merging them does not fail.
        Err(_) => tree.file_refused(0, Problem::Conflict("cannot be merged".to_owned())),
    }
    tree
}

/// Returns the files to read, in order.
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

/// Returns the names of the TOML files in `folder`, in order. Hidden files are left out:
/// editors and Kubernetes keep copies in them.
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

/// Returns the text of a file of at most `bytes_max` bytes.
pub(crate) fn read_bounded(path: &Path, bytes_max: u64) -> io::Result<String> {
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

/// A layer as the merging library takes it. `Debug` shows nothing: it holds secrets.
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
