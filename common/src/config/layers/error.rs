//! What can be wrong with a configuration. No text here quotes a value: what stands in a
//! wrong place may be a secret.

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

use super::origin::{Origin, variable};

/// Everything that is wrong, in order of reading. `Display` gives one line each.
#[derive(Debug, thiserror::Error)]
pub struct ConfigErrors(Vec<ConfigError>);

impl ConfigErrors {
    /// Wraps `errors`, of which there is at least one.
    pub(crate) fn new(errors: Vec<ConfigError>) -> Self {
        Self(errors)
    }

    /// Returns each error.
    pub fn iter(&self) -> impl Iterator<Item = &ConfigError> {
        self.0.iter()
    }

    /// Returns whether missing values are all that is wrong: then a minimal file helps.
    pub fn only_missing(&self) -> bool {
        self.0.iter().all(|error| matches!(error.problem, Problem::Missing { .. }))
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, error) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            error.fmt(f)?;
        }
        Ok(())
    }
}

/// An error of a configuration.
#[derive(Debug, thiserror::Error)]
pub struct ConfigError {
    /// The file or variable with the error; `None`: a value that nothing gives.
    pub origin: Option<Origin>,
    /// The key, such as `http.listen` or `apps[0].secret`; `None`: the file as a whole.
    pub key: Option<String>,
    /// What is wrong.
    #[source]
    pub problem: Problem,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.origin, &self.key) {
            (Some(Origin::Environment), Some(key)) => {
                write!(f, "environment variable {}: ", variable(key))?;
            }
            (Some(Origin::Variable(name)), _) => write!(f, "environment variable {name}: ")?,
            (Some(origin), Some(key)) => write!(f, "{origin}: {}: ", key.escape_debug())?,
            (Some(origin), None) => write!(f, "{origin}: ")?,
            (None, Some(key)) => write!(f, "{}: ", key.escape_debug())?,
            (None, None) => {}
        }
        self.problem.fmt(f)
    }
}

/// What is wrong.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// A value of the wrong type, form or size.
    #[error("expected {0}")]
    Expected(String),
    /// No value, where one is needed and there is no default.
    #[error("missing; {hint}")]
    Missing {
        /// How to give one.
        hint: String,
    },
    /// A key or section that does not exist.
    #[error("unknown key{}", .nearest.as_ref().map_or(String::new(), |n| format!("; did you mean {n}?")))]
    Unknown {
        /// The most similar known key.
        nearest: Option<String>,
    },
    /// A value together with a file that holds it.
    #[error("given together with {0}; keep one of the two")]
    Both(String),
    /// A configuration file that cannot be read.
    #[error("cannot be read: {0}")]
    File(#[source] io::Error),
    /// A secret's file that cannot be read. Its path is not shown: it may be the secret
    /// itself, put under the wrong key.
    #[error("the file that it names cannot be read (a relative path counts from {}): {source}", shown(.base))]
    SecretFile {
        /// The folder that a relative path counts from.
        base: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file that is not TOML, with the place of the error.
    #[error("not TOML{0}")]
    Syntax(String),
    /// Two values that contradict each other.
    #[error("{0}")]
    Conflict(String),
}

/// Returns the text for a folder, which is empty for the working directory.
fn shown(folder: &Path) -> String {
    if folder.as_os_str().is_empty() {
        "the working directory".to_owned()
    } else {
        folder.display().to_string()
    }
}
