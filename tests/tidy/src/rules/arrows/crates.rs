//! Crates depend in one direction.

use crate::{
    manifest::{self, Package},
    offence::Offence,
    tree::Tree,
};

/// Each crate with those of the project that it may depend on.
const ALLOWED: [(&str, &[&str]); 9] = [
    ("quhao-common", &[]),
    ("quhao-backend", &["quhao-common"]),
    ("quhao-producer", &["quhao-common", "quhao-backend"]),
    ("quhao-worker", &["quhao-common", "quhao-backend"]),
    (
        "quhao",
        &["quhao-common", "quhao-backend", "quhao-producer", "quhao-worker", "quhao-simulator"],
    ),
    ("quhao-simulator", &[]),
    (
        "quhao-tests",
        &["quhao-common", "quhao-backend", "quhao-producer", "quhao-worker", "quhao-simulator"],
    ),
    ("quhao-bench", &["quhao-simulator", "quhao-tests"]),
    ("quhao-tidy", &[]),
];

/// Finds dependencies against the direction, and crates without one.
pub(in crate::rules) fn check(tree: &Tree) -> Vec<Offence> {
    let packages = manifest::packages(tree);
    packages.iter().flat_map(|package| judge(package, &packages)).collect()
}

fn judge(package: &Package<'_>, all: &[Package<'_>]) -> Vec<Offence> {
    let path = &package.manifest.path;
    let Some((_, allowed)) = ALLOWED.iter().find(|(name, _)| *name == package.name) else {
        return vec![Offence::of(path, "say in tests/tidy what this crate may depend on")];
    };
    let wrong = package.dependencies.iter().filter(|dependency| {
        all.iter().any(|other| other.name == dependency.name)
            && !allowed.contains(&dependency.name.as_str())
    });
    wrong
        .map(|dependency| {
            let message = format!("must not depend on {}", dependency.name);
            Offence::at(path, dependency.line, message)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(common: &str, worker: &str) -> Vec<Offence> {
        let named = |name: &str, rest: &str| format!("[package]\nname = \"{name}\"\n{rest}");
        check(&Tree::of(&[
            ("common/Cargo.toml", &named("quhao-common", common)),
            ("worker/Cargo.toml", &named("quhao-worker", worker)),
        ]))
    }

    #[test]
    fn dependency_against_the_direction_is_found() {
        let offences = found("[dev-dependencies]\nquhao-worker.workspace = true", "");
        assert_eq!(offences.len(), 1);
        assert_eq!((offences[0].path.as_str(), offences[0].line), ("common/Cargo.toml", 4));
    }

    #[test]
    fn dependency_in_the_direction_passes() {
        let worker = "[dependencies]\nquhao-common.workspace = true\ntokio = \"1\"";
        assert_eq!(found("", worker), []);
    }

    #[test]
    fn crate_without_a_direction_is_found() {
        let tree = Tree::of(&[("new/Cargo.toml", "[package]\nname = \"quhao-new\"")]);
        assert_eq!(check(&tree).len(), 1);
    }
}
