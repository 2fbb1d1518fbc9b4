//! Whether this build can work with a store's schema.

use quhao_backend::store::{SCHEMA_VERSION, Schema};

/// Whether a store's schema fits this build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fitness {
    /// They fit; the schema may be newer and compatible.
    Fits,
    /// The schema is older: `quhao migrate` is due.
    Older,
    /// The schema is newer, and no longer for builds as old as this.
    TooNew,
}

impl Fitness {
    /// Compares `schema` with what this build needs.
    pub(crate) fn of(schema: Schema) -> Self {
        if schema.min_compatible > SCHEMA_VERSION {
            Self::TooNew
        } else if schema.version < SCHEMA_VERSION {
            Self::Older
        } else {
            Self::Fits
        }
    }

    /// Returns what is wrong and the command that fixes it, or `None` where the schema fits.
    pub(crate) fn problem(self, schema: Schema) -> Option<String> {
        match self {
            Self::Fits => None,
            Self::Older => Some(format!(
                "the store's schema has version {}, this build needs {SCHEMA_VERSION}: run \
                 `quhao migrate`",
                schema.version
            )),
            Self::TooNew => Some(format!(
                "the store's schema has version {} and needs a build that knows version {} at \
                 least; this one knows {SCHEMA_VERSION}: use a newer quhao (`quhao migrate` of \
                 this build cannot help)",
                schema.version, schema.min_compatible
            )),
        }
    }
}
