//! Which migrations a database has, and which this build needs.

/// What a database says of its own schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schema {
    /// The newest migration that was applied; 0 for an empty database.
    pub version: i64,
    /// The oldest build that can still use the database, by its [`SCHEMA_VERSION`].
    pub min_compatible: i64,
}

/// The newest migration that this build knows, and the oldest that it can work with.
pub const SCHEMA_VERSION: i64 = 2;
