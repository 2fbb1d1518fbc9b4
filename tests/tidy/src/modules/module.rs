//! One module: what it declares, imports and names.

use std::collections::{BTreeMap, BTreeSet};

use crate::rust::import::Import;

/// The place of a module in its crate's list.
pub(crate) type Index = usize;

/// A module, in a file of its own or within one.
#[derive(Debug, Default)]
pub(crate) struct Module {
    /// Its path from the crate's root; empty for the root.
    pub(crate) path: Vec<String>,
    /// The path of its file.
    pub(crate) file: String,
    /// The module it is declared in; the root has itself.
    pub(crate) parent: Index,
    /// The module whose file it is in.
    pub(crate) home: Index,
    pub(crate) children: BTreeMap<String, Index>,
    /// Names of the items it defines.
    pub(crate) items: BTreeSet<String>,
    pub(crate) imports: Vec<Import>,
    pub(crate) mentions: Vec<Mention>,
}

/// A path or a name that code mentions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mention {
    pub(crate) path: Vec<String>,
    pub(crate) line: usize,
}
