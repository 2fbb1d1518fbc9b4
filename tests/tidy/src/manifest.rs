//! The crates of the workspace, by their manifests.

use crate::{file::File, tree::Tree};

/// A crate of the workspace.
#[derive(Debug)]
pub(crate) struct Package<'a> {
    /// Its folder, from the root.
    pub(crate) folder: &'a str,
    pub(crate) name: String,
    /// The file of its manifest.
    pub(crate) manifest: &'a File,
    pub(crate) dependencies: Vec<Dependency>,
    /// Its Rust files.
    pub(crate) files: Vec<&'a File>,
    /// The paths of those that a compilation starts from.
    pub(crate) roots: Vec<String>,
}

/// A dependency as a manifest names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    pub(crate) line: usize,
    /// Whether tests alone have it.
    pub(crate) is_dev: bool,
}

/// One `key = value` of a manifest.
struct Entry<'a> {
    section: &'a str,
    key: &'a str,
    value: &'a str,
    line: usize,
}

/// Returns all crates.
pub(crate) fn packages(tree: &Tree) -> Vec<Package<'_>> {
    let manifests: Vec<&File> = tree
        .files
        .iter()
        .filter(|file| file.name() == "Cargo.toml" && !file.folder().is_empty())
        .collect();
    manifests.iter().map(|manifest| package(tree, manifest, &manifests)).collect()
}

fn package<'a>(tree: &'a Tree, manifest: &'a File, all: &[&File]) -> Package<'a> {
    let folder = manifest.folder();
    let inner: Vec<&str> = all
        .iter()
        .filter(|other| other.path != manifest.path && other.is_under(folder))
        .map(|other| other.folder())
        .collect();
    let files: Vec<&File> = tree
        .rust()
        .filter(|file| file.is_under(folder) && !inner.iter().any(|inner| file.is_under(inner)))
        .collect();
    let entries = entries(&manifest.text);
    let name = entries.iter().find(|entry| (entry.section, entry.key) == ("package", "name"));
    Package {
        folder,
        name: name.map_or(folder, |entry| entry.value).to_owned(),
        manifest,
        dependencies: dependencies(&manifest.text),
        roots: roots(folder, &files, &entries),
        files,
    }
}

/// Returns where compilations start: as the manifest says, else where cargo looks.
fn roots(folder: &str, files: &[&File], entries: &[Entry<'_>]) -> Vec<String> {
    let stated = entries.iter().filter(|entry| {
        matches!(entry.section, "lib" | "bin" | "test" | "bench" | "example") && entry.key == "path"
    });
    let mut roots: Vec<String> = stated.map(|entry| format!("{folder}/{}", entry.value)).collect();
    let usual = [format!("{folder}/src/lib.rs"), format!("{folder}/src/main.rs")];
    let one_each = [format!("{folder}/tests"), format!("{folder}/src/bin")];
    for file in files {
        let is_root =
            usual.contains(&file.path) || one_each.iter().any(|one_each| file.folder() == one_each);
        if is_root && !roots.contains(&file.path) {
            roots.push(file.path.clone());
        }
    }
    roots
}

/// Returns what a manifest depends on, the workspace's own list included.
pub(crate) fn dependencies(manifest: &str) -> Vec<Dependency> {
    let mut found: Vec<Dependency> = Vec::new();
    for entry in entries(manifest) {
        let name = match entry.section.rsplit_once("dependencies") {
            Some((_, "")) => entry.key,
            Some((_, of_one)) => of_one.trim_start_matches('.'),
            None => continue,
        };
        if found.last().is_none_or(|last| last.name != name) {
            let is_dev = entry.section.starts_with("dev-");
            found.push(Dependency { name: name.to_owned(), line: entry.line, is_dev });
        }
    }
    found
}

/// Returns the entries of a manifest whose values stand on one line.
fn entries(manifest: &str) -> Vec<Entry<'_>> {
    let mut section = "";
    let mut found = Vec::new();
    for (number, line) in manifest.lines().enumerate() {
        if let Some(header) = line.strip_prefix('[') {
            section = header.split(']').next().unwrap_or_default().trim_start_matches('[');
        } else if let Some((key, value)) = line.split_once('=') {
            let key = key.trim().split('.').next().unwrap_or_default().trim_matches('"');
            let value = value.trim().trim_matches('"');
            found.push(Entry { section, key, value, line: number + 1 });
        }
    }
    found.retain(|entry| !entry.key.starts_with('#'));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_are_read_in_every_form() {
        let manifest = "[package]\nname = \"a\"\n[dependencies]\nb.workspace = true\n\
            c = { version = \"1\" }\n[dev-dependencies]\nd = \"1\"\n[dependencies.e]\npath = \"e\"\n\
            version = \"2\"";
        let found = dependencies(manifest);
        let shown: Vec<_> = found.iter().map(|it| (it.name.as_str(), it.line, it.is_dev)).collect();
        assert_eq!(shown, [("b", 4, false), ("c", 5, false), ("d", 7, true), ("e", 9, false)]);
    }

    #[test]
    fn files_of_an_inner_crate_are_its_own() {
        let tree = Tree::of(&[
            ("a/Cargo.toml", "[package]\nname = \"a\"\n[lib]\npath = \"support/lib.rs\""),
            ("a/support/lib.rs", ""),
            ("a/b/Cargo.toml", "[package]\nname = \"b\""),
            ("a/b/src/main.rs", ""),
        ]);
        let packages = packages(&tree);
        let roots: Vec<_> =
            packages.iter().map(|it| (it.name.as_str(), it.roots.clone())).collect();
        assert_eq!(
            roots,
            [("a", vec!["a/support/lib.rs".to_owned()]), ("b", vec!["a/b/src/main.rs".to_owned()])]
        );
    }
}
