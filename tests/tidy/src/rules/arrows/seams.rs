//! Modules use only what is below them.

use crate::{
    manifest,
    modules::{Graph, graphs},
    offence::Offence,
    tree::Tree,
};

/// A direction within a crate.
struct Arrow {
    package: &'static str,
    /// These modules, with what is in them, …
    from: &'static [&'static str],
    /// … use nothing of these.
    never: &'static [&'static str],
    because: &'static str,
}

/// Every direction that is checked.
const ARROWS: [Arrow; 6] = [
    Arrow {
        package: "quhao-common",
        from: &["domain", "crypto", "envelope"],
        never: &["config", "api", "process"],
        because: "the vocabulary stands below everything else",
    },
    Arrow {
        package: "quhao-backend",
        from: &["queue"],
        never: &["store", "backend"],
        because: "the seams know nothing of each other",
    },
    Arrow {
        package: "quhao-backend",
        from: &["store"],
        never: &["queue", "backend"],
        because: "the seams know nothing of each other",
    },
    Arrow {
        package: "quhao-backend",
        from: &["sqlite_file"],
        never: &["queue", "store", "backend"],
        because: "both seams stand on it",
    },
    Arrow {
        package: "quhao-producer",
        from: &["state", "rate_limit", "store_probe", "admission", "wait"],
        never: &["crate", "router", "jobs", "sessions", "erasures", "ops", "openapi"],
        because: "state and mechanism stand below the handlers",
    },
    Arrow {
        package: "quhao-worker",
        from: &["settlement", "circuit_breaker", "platform"],
        never: &["crate", "consumer", "job", "writer", "callback", "background"],
        because: "mechanism stands below the steps of a job",
    },
];

/// Finds uses against a direction.
pub(in crate::rules) fn check(tree: &Tree) -> Vec<Offence> {
    let mut found = Vec::new();
    for package in manifest::packages(tree) {
        let graphs = graphs(tree, &package);
        for arrow in ARROWS.iter().filter(|arrow| arrow.package == package.name) {
            found.extend(graphs.iter().flat_map(|graph| against(graph, arrow)));
            let known = |name: &str| graphs.iter().any(|graph| graph.has(name));
            let gone = arrow.from.iter().chain(arrow.never).filter(|name| !known(name));
            let message = |name| format!("has no module `{name}`: correct the rule in tests/tidy");
            found.extend(gone.map(|name| Offence::of(package.folder, message(name))));
        }
    }
    found.sort();
    found.dedup();
    found
}

fn against(graph: &Graph, arrow: &Arrow) -> Vec<Offence> {
    let is_any = |module, names: &[&str]| names.iter().any(|name| graph.is_of(module, name));
    let wrong = graph
        .edges
        .iter()
        .filter(|edge| is_any(edge.from, arrow.from) && is_any(edge.to, arrow.never));
    let offence = |edge: &crate::modules::Edge| {
        let message = format!("must not use `{}`: {}", edge.what, arrow.because);
        Offence::at(graph.file(edge.from), edge.line, message)
    };
    wrong.map(offence).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(queue: &str) -> Vec<Offence> {
        check(&Tree::of(&[
            ("backend/Cargo.toml", "[package]\nname = \"quhao-backend\""),
            ("backend/src/lib.rs", "mod queue; mod store; mod sqlite_file; mod backend;"),
            ("backend/src/backend.rs", ""),
            ("backend/src/queue.rs", "mod amqp;"),
            ("backend/src/queue/amqp.rs", queue),
            ("backend/src/store.rs", "use crate::sqlite_file::File; pub struct Store(File);"),
            ("backend/src/sqlite_file.rs", "pub struct File;"),
        ]))
    }

    #[test]
    fn seam_that_uses_the_other_is_found() {
        let offences = found("use crate::store::Store;");
        assert_eq!(offences.len(), 1);
        assert_eq!(offences[0].path, "backend/src/queue/amqp.rs");
    }

    #[test]
    fn seam_that_uses_what_is_below_passes() {
        assert_eq!(found("use crate::sqlite_file::File;"), []);
    }

    #[test]
    fn rule_for_a_module_that_is_gone_is_found() {
        let tree = Tree::of(&[
            ("backend/Cargo.toml", "[package]\nname = \"quhao-backend\""),
            ("backend/src/lib.rs", "mod queue; mod sqlite_file; mod backend;"),
            ("backend/src/queue.rs", ""),
            ("backend/src/backend.rs", ""),
            ("backend/src/sqlite_file.rs", ""),
        ]);
        assert_eq!(check(&tree).len(), 1);
    }
}
