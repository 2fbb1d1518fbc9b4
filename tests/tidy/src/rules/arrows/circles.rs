//! No modules use each other in a circle.

use crate::{
    manifest,
    modules::{Circle, Edge, Graph, graphs, of_modules, of_topmost},
    offence::Offence,
    tree::Tree,
};

/// How many modules of a circle are named.
const NAMES_MAX: usize = 4;

/// Finds every use that ties modules into a circle, or the crate's topmost modules with all
/// that is in them.
pub(in crate::rules) fn check(tree: &Tree) -> Vec<Offence> {
    let mut found: Vec<Offence> = Vec::new();
    for graph in manifest::packages(tree).iter().flat_map(|package| graphs(tree, package)) {
        for circle in of_modules(&graph).iter().chain(&of_topmost(&graph)) {
            found.extend(offences(&graph, circle));
        }
    }
    found.sort();
    found.dedup_by(|later, earlier| {
        (&later.path, later.line) == (&earlier.path, earlier.line)
            && later.message.split(',').next() == earlier.message.split(',').next()
    });
    found
}

fn offences(graph: &Graph, circle: &Circle<'_>) -> Vec<Offence> {
    let count = circle.names.len();
    let names: Vec<&str> = circle.names.iter().take(NAMES_MAX).map(String::as_str).collect();
    let more = if count > NAMES_MAX { ", …" } else { "" };
    let offence = |edge: &&Edge| {
        let message = format!(
            "`{}` uses `{}` of `{}`, in a circle of {count} ({}{more}): move what both need below",
            graph.name(edge.from),
            edge.what,
            graph.name(edge.to),
            names.join(", "),
        );
        Offence::at(graph.file(edge.from), edge.line, message)
    };
    circle.edges.iter().map(offence).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn child_that_uses_its_parents_item_is_found() {
        let tree = Tree::of(&[
            ("a/Cargo.toml", ""),
            ("a/src/lib.rs", "mod queue;"),
            ("a/src/queue.rs", "mod amqp; pub struct Message;\npub enum Queue { A(amqp::Amqp) }"),
            ("a/src/queue/amqp.rs", "use super::Message; pub struct Amqp(Message);"),
        ]);
        let found: Vec<String> = check(&tree).iter().map(Offence::to_string).collect();
        assert_eq!(found.len(), 2);
        assert!(found[0].starts_with("a/src/queue.rs:2: `queue` uses `amqp::Amqp`"), "{found:?}");
        assert!(found[1].starts_with("a/src/queue/amqp.rs:1: `queue::amqp` uses `super::Message`"));
    }

    #[test]
    fn child_that_uses_what_its_parent_reexports_passes() {
        let tree = Tree::of(&[
            ("a/Cargo.toml", ""),
            ("a/src/main.rs", "mod queue;"),
            (
                "a/src/queue.rs",
                "mod amqp; mod message; pub use self::message::Message;\n\
                pub enum Queue { A(amqp::Amqp) }",
            ),
            ("a/src/queue/message.rs", "pub struct Message;"),
            ("a/src/queue/amqp.rs", "use super::Message; pub struct Amqp(Message);"),
        ]);
        assert_eq!(check(&tree), []);
    }
}
