//! Finds the module that defines what a path names.

use super::module::{Index, Module};

/// What a path leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// A module itself.
    Module(Index),
    /// Something that this module defines.
    ItemOf(Index),
}

/// Where one name leads.
enum Entry {
    Found(Target),
    /// To another crate.
    Outside,
    /// The module knows no such name.
    Unknown,
}

/// How many re-exports a name may pass through; more are a loop.
const HOPS_MAX: usize = 16;

/// Returns what `path`, as the code of `from` writes it, leads to in this crate. Re-exports
/// are followed to where the item is defined.
pub(crate) fn resolve(modules: &[Module], from: Index, path: &[String]) -> Option<Target> {
    walk(modules, from, path, HOPS_MAX)
}

fn walk(modules: &[Module], from: Index, path: &[String], hops: usize) -> Option<Target> {
    let (first, mut rest) = path.split_first()?;
    let mut at = match first.as_str() {
        "crate" => 0,
        "self" => from,
        "super" => modules[from].parent,
        name => match enter(modules, from, name, hops) {
            Entry::Found(Target::Module(module)) => module,
            Entry::Found(item) => return Some(item),
            Entry::Outside | Entry::Unknown => return None,
        },
    };
    while let Some((name, after)) = rest.split_first() {
        rest = after;
        if name == "super" {
            at = modules[at].parent;
            continue;
        }
        match enter(modules, at, name, hops) {
            Entry::Found(Target::Module(module)) => at = module,
            Entry::Found(item) => return Some(item),
            Entry::Outside => return None,
            // Made by a macro, or a derive: whatever module is asked for it has it.
            Entry::Unknown => return Some(Target::ItemOf(at)),
        }
    }
    Some(Target::Module(at))
}

/// Looks a single name up in a module.
fn enter(modules: &[Module], module: Index, name: &str, hops: usize) -> Entry {
    let here = &modules[module];
    if let Some(child) = here.children.get(name) {
        return Entry::Found(Target::Module(*child));
    }
    if here.items.contains(name) {
        return Entry::Found(Target::ItemOf(module));
    }
    let Some(hops) = hops.checked_sub(1) else {
        return Entry::Unknown;
    };
    let named = here.imports.iter().find(|import| import.name.as_deref() == Some(name));
    if let Some(import) = named {
        if import.path == [name] {
            return Entry::Outside; // `use name;`: a crate
        }
        return walk(modules, module, &import.path, hops).map_or(Entry::Outside, Entry::Found);
    }
    for glob in here.imports.iter().filter(|import| import.is_glob) {
        if let Some(Target::Module(source)) = walk(modules, module, &glob.path, hops)
            && source != module
            && let Entry::Found(target) = enter(modules, source, name, hops)
        {
            return Entry::Found(target);
        }
    }
    Entry::Unknown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{modules::build::modules, tree::Tree};

    fn target(tree: &[(&str, &str)], from: &str, path: &str) -> Option<String> {
        let modules = modules(&Tree::of(tree), "src/lib.rs");
        let from = modules.iter().position(|it| it.path.join("::") == from).expect("a module");
        let path: Vec<String> = path.split("::").map(str::to_owned).collect();
        let shown = |at: Index| modules[at].path.join("::");
        Some(match resolve(&modules, from, &path)? {
            Target::Module(at) => format!("mod {}", shown(at)),
            Target::ItemOf(at) => format!("item of {}", shown(at)),
        })
    }

    const TREE: [(&str, &str); 4] = [
        ("src/lib.rs", "mod a; mod b; pub use a::Deep as Renamed; use time::Time;"),
        ("src/a.rs", "mod c; pub use self::c::Deep; pub struct Own; macro_made! { X }"),
        ("src/a/c.rs", "pub enum Deep { One }"),
        ("src/b.rs", "use crate::a; use super::a::*;"),
    ];

    #[test]
    fn reexports_lead_to_where_the_item_is_defined() {
        for path in
            ["crate::a::Deep", "crate::Renamed::One", "super::a::c::Deep", "a::Deep", "Deep"]
        {
            assert_eq!(target(&TREE, "b", path).as_deref(), Some("item of a::c"), "{path}");
        }
    }

    #[test]
    fn items_and_modules_are_distinguished() {
        assert_eq!(target(&TREE, "b", "a::Own::new").as_deref(), Some("item of a"));
        assert_eq!(target(&TREE, "b", "crate::a::X").as_deref(), Some("item of a"));
        assert_eq!(target(&TREE, "a::c", "super").as_deref(), Some("mod a"));
    }

    #[test]
    fn paths_to_other_crates_lead_nowhere() {
        for path in ["std::fmt::Debug", "crate::Time", "Vec::new"] {
            assert_eq!(target(&TREE, "b", path), None, "{path}");
        }
    }
}
