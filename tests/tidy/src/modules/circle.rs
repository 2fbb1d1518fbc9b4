//! Modules that use each other in a circle.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    graph::{Edge, Graph},
    module::Index,
};

/// A largest set of modules that reach each other.
#[derive(Debug, Default)]
pub(crate) struct Circle<'a> {
    /// Their names.
    pub(crate) names: BTreeSet<String>,
    /// The uses that tie them.
    pub(crate) edges: Vec<&'a Edge>,
}

/// Returns the circles of modules.
pub(crate) fn of_modules(graph: &Graph) -> Vec<Circle<'_>> {
    circles(graph, |module| module)
}

/// Returns the circles of the crate's topmost modules, each with all that is in it.
pub(crate) fn of_topmost(graph: &Graph) -> Vec<Circle<'_>> {
    circles(graph, |module| graph.topmost(module))
}

/// Returns the circles of the groups that `group` puts modules in.
fn circles(graph: &Graph, group: impl Fn(Index) -> Index) -> Vec<Circle<'_>> {
    let mut uses = vec![BTreeSet::new(); graph.len()];
    for edge in &graph.edges {
        uses[group(edge.from)].insert(group(edge.to));
    }
    let reach: Vec<BTreeSet<Index>> = (0..graph.len()).map(|one| reached(&uses, one)).collect();
    let mut found: BTreeMap<&BTreeSet<Index>, Circle<'_>> = BTreeMap::new();
    for edge in &graph.edges {
        let (from, to) = (group(edge.from), group(edge.to));
        if from != to && reach[to].contains(&from) {
            // Those that reach each other reach the same.
            let circle = found.entry(&reach[from]).or_default();
            circle.names.insert(graph.name(from));
            circle.edges.push(edge);
        }
    }
    found.into_values().collect()
}

/// Returns what `start` reaches.
fn reached(uses: &[BTreeSet<Index>], start: Index) -> BTreeSet<Index> {
    let mut reached = BTreeSet::new();
    let mut waiting = vec![start];
    while let Some(module) = waiting.pop() {
        waiting.extend(uses[module].iter().filter(|used| reached.insert(**used)));
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Tree;

    #[test]
    fn separate_circles_are_listed_separately() {
        let tree = Tree::of(&[
            ("src/lib.rs", "mod a; mod b; mod c; mod d; mod e;"),
            ("src/a.rs", "use crate::{b::B, c::C}; pub struct A;"),
            ("src/b.rs", "use crate::a::A; pub struct B;"),
            ("src/c.rs", "use crate::d::D; pub struct C;"),
            ("src/d.rs", "use crate::e::E; pub struct D;"),
            ("src/e.rs", "use crate::c::C; pub struct E;"),
        ]);
        let graph = Graph::of(&tree, "src/lib.rs");
        let mut lengths: Vec<usize> =
            of_modules(&graph).iter().map(|circle| circle.edges.len()).collect();
        lengths.sort_unstable();
        assert_eq!(lengths, [2, 3]);
    }

    #[test]
    fn folders_may_form_a_circle_that_files_do_not() {
        let tree = Tree::of(&[
            ("src/lib.rs", "mod a; mod b;"),
            ("src/a.rs", "mod low; mod high;"),
            ("src/a/low.rs", "pub struct Low;"),
            ("src/a/high.rs", "use crate::b::B;"),
            ("src/b.rs", "use crate::a::low::Low; pub struct B;"),
        ]);
        let graph = Graph::of(&tree, "src/lib.rs");
        assert!(of_modules(&graph).is_empty());
        let circles = of_topmost(&graph);
        assert_eq!((circles.len(), circles[0].edges.len()), (1, 2));
    }
}
