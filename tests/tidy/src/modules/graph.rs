//! The graph of a crate's modules.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    build,
    module::{Index, Module},
    resolve::{self, Target},
};
use crate::{manifest::Package, tree::Tree};

/// The modules of one compilation and who uses whom. Modules within a file count as the file.
#[derive(Debug)]
pub(crate) struct Graph {
    modules: Vec<Module>,
    /// For each pair the first use.
    pub(crate) edges: Vec<Edge>,
}

/// A module that uses something that another one defines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Edge {
    pub(crate) from: Index,
    pub(crate) to: Index,
    /// What it uses, as its code names it.
    pub(crate) what: String,
    pub(crate) line: usize,
}

/// Returns the graph of each compilation of a crate.
pub(crate) fn graphs(tree: &Tree, package: &Package<'_>) -> Vec<Graph> {
    package.roots.iter().map(|root| Graph::of(tree, root)).collect()
}

impl Graph {
    /// Builds the graph of what the compilation of `root` reaches.
    pub(crate) fn of(tree: &Tree, root: &str) -> Self {
        let modules = build::modules(tree, root);
        let mut first: BTreeMap<(Index, Index), Edge> = BTreeMap::new();
        for module in 0..modules.len() {
            for (path, line) in uses(&modules[module]) {
                if let Some(Target::ItemOf(target)) = resolve::resolve(&modules, module, path) {
                    let (from, to) = (modules[module].home, modules[target].home);
                    let edge = Edge { from, to, what: path.join("::"), line };
                    let known = first.entry((from, to)).or_insert_with(|| edge.clone());
                    if edge.line < known.line {
                        *known = edge;
                    }
                }
            }
        }
        let edges = first.into_values().filter(|edge| edge.from != edge.to).collect();
        Self { modules, edges }
    }

    /// Returns how many modules there are.
    pub(crate) fn len(&self) -> usize {
        self.modules.len()
    }

    /// Returns the module right below the root that `module` is in.
    pub(crate) fn topmost(&self, module: Index) -> Index {
        let mut top = module;
        while self.modules[top].path.len() > 1 {
            top = self.modules[top].parent;
        }
        top
    }

    /// Returns a module's path, `crate` for the root.
    pub(crate) fn name(&self, module: Index) -> String {
        match self.modules[module].path.as_slice() {
            [] => "crate".to_owned(),
            path => path.join("::"),
        }
    }

    /// Returns the path of a module's file.
    pub(crate) fn file(&self, module: Index) -> &str {
        &self.modules[module].file
    }

    /// Returns whether there is a module of this path.
    pub(crate) fn has(&self, path: &str) -> bool {
        (0..self.len()).any(|module| self.name(module) == path)
    }

    /// Returns whether `module` is the one named `path` or below it.
    pub(crate) fn is_of(&self, module: Index, path: &str) -> bool {
        let name = self.name(module);
        name.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    }
}

/// Returns every path in a module's code that is a use of what it leads to.
///
/// A re-export is none until the module's own code mentions the name.
fn uses(module: &Module) -> impl Iterator<Item = (&[String], usize)> {
    let reexported: BTreeSet<&str> = module
        .imports
        .iter()
        .filter(|import| import.is_reexport)
        .filter_map(|import| import.name.as_deref())
        .collect();
    let private = module.imports.iter().filter(|import| !import.is_reexport && !import.is_glob);
    let imported = private.map(|import| (import.path.as_slice(), import.line));
    let has_glob = module.imports.iter().any(|import| import.is_glob);
    let mentioned = module.mentions.iter().filter(move |mention| {
        mention.path.len() > 1 || has_glob || reexported.contains(mention.path[0].as_str())
    });
    imported.chain(mentioned.map(|mention| (mention.path.as_slice(), mention.line)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edges(files: &[(&str, &str)]) -> Vec<String> {
        let graph = Graph::of(&Tree::of(files), "src/lib.rs");
        let shown = |edge: &Edge| format!("{} -> {}", graph.name(edge.from), graph.name(edge.to));
        graph.edges.iter().map(shown).collect()
    }

    #[test]
    fn declaring_and_reexporting_is_no_use() {
        let found = edges(&[
            ("src/lib.rs", "mod a;"),
            ("src/a.rs", "mod b; mod c; pub use self::{b::B, c::C};"),
            ("src/a/b.rs", "use super::C; pub struct B(C);"),
            ("src/a/c.rs", "pub struct C;"),
        ]);
        assert_eq!(found, ["a::b -> a::c"]);
    }

    #[test]
    fn using_what_one_reexports_is_a_use() {
        let found = edges(&[
            ("src/lib.rs", "mod a;"),
            ("src/a.rs", "mod b; pub use self::b::B; pub struct A(B);"),
            ("src/a/b.rs", "use super::A; pub struct B;"),
        ]);
        assert_eq!(found, ["a -> a::b", "a::b -> a"]);
    }

    #[test]
    fn paths_within_code_are_uses() {
        let found = edges(&[
            ("src/lib.rs", "mod a; mod b;"),
            ("src/a.rs", "use crate::b; fn f() { b::g() }"),
            ("src/b.rs", "pub fn g() {}"),
        ]);
        assert_eq!(found, ["a -> b"]);
    }

    #[test]
    fn tests_and_inner_modules_are_no_modules() {
        let found = edges(&[
            ("src/lib.rs", "mod a; mod b;"),
            (
                "src/a.rs",
                "pub struct A; mod inner { use super::A; } #[cfg(test)] mod tests { use crate::b::B; }",
            ),
            ("src/b.rs", "pub struct B;"),
        ]);
        assert_eq!(found, [""; 0]);
    }
}
