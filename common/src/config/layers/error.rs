//! What can be wrong with a configuration. No text here quotes a value: whatever stands
//! in a wrong place may be a secret.

use std::{fmt, io, path::PathBuf};

/// Prefix of every variable that counts.
pub(in crate::config) const VARIABLE_PREFIX: &str = "QUHAO__";

/// Everything that is wrong, in order of reading. `Display` gives one line each.
#[derive(Debug, thiserror::Error)]
pub struct ConfigErrors(Vec<ConfigError>);

impl ConfigErrors {
    pub(in crate::config) fn new(errors: Vec<ConfigError>) -> Self {
        Self(errors)
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &ConfigError> {
        self.0.iter()
    }

    /// Whether nothing is wrong but that values are missing: then a minimal file helps.
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

/// One thing that is wrong.
#[derive(Debug, thiserror::Error)]
pub struct ConfigError {
    /// Which file or variable says so; `None`: nothing does, which is the problem.
    pub origin: Option<Origin>,
    /// Which key, such as `http.listen` or `apps[0].secret`; `None`: the file as a whole.
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
    /// A value that is needed and has no default.
    #[error("missing; {hint}")]
    Missing {
        /// How to give it.
        hint: String,
    },
    /// A key or section that does not exist.
    #[error("unknown key{}", .nearest.as_ref().map_or(String::new(), |n| format!("; did you mean {n}?")))]
    Unknown {
        /// The known key that looks most like it.
        nearest: Option<String>,
    },
    /// A value and a file that holds it.
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
    /// Not TOML; where.
    #[error("not TOML{0}")]
    Syntax(String),
    /// Two values that contradict each other.
    #[error("{0}")]
    Conflict(String),
}

fn shown(folder: &std::path::Path) -> String {
    if folder.as_os_str().is_empty() {
        "the working directory".to_owned()
    } else {
        folder.display().to_string()
    }
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

/// The variable of a key.
pub(in crate::config) fn variable(key: &str) -> String {
    let name = key.to_uppercase().replace('.', "__");
    format!("{VARIABLE_PREFIX}{}", name.escape_debug())
}
