//! Both databases have the same migrations.

use std::collections::BTreeMap;

use crate::{file::File, offence::Offence, tree::Tree};

/// Finds migrations that the other database lacks.
pub(super) fn check(tree: &Tree) -> Vec<Offence> {
    let (postgres, sqlite) = (numbers(tree, "postgres"), numbers(tree, "sqlite"));
    if postgres.is_empty() {
        return vec![Offence::of("migrations/postgres", "has no migrations")];
    }
    let mut found = lacking(&postgres, &sqlite, "sqlite");
    found.extend(lacking(&sqlite, &postgres, "postgres"));
    found
}

/// Returns the migrations of a database by their numbers.
fn numbers<'a>(tree: &'a Tree, database: &str) -> BTreeMap<&'a str, &'a File> {
    let folder = format!("migrations/{database}");
    let files = tree.with_extension("sql").filter(|file| file.folder() == folder);
    files.map(|file| (file.name().split('_').next().unwrap_or_default(), file)).collect()
}

fn lacking(
    some: &BTreeMap<&str, &File>,
    others: &BTreeMap<&str, &File>,
    database: &str,
) -> Vec<Offence> {
    let missing = some.iter().filter(|(number, _)| !others.contains_key(*number));
    let message = |number| format!("add number {number} to migrations/{database} too");
    missing.map(|(number, file)| Offence::of(&file.path, message(number))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn migration_of_one_database_alone_is_found() {
        let same = [("migrations/postgres/0001_a.sql", ""), ("migrations/sqlite/0001_b.sql", "")];
        assert_eq!(check(&Tree::of(&same)), []);
        let mut more = same.to_vec();
        more.push(("migrations/sqlite/0002_c.sql", ""));
        let found = check(&Tree::of(&more));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].path, "migrations/sqlite/0002_c.sql");
    }

    #[test]
    fn absence_of_migrations_is_found() {
        assert_eq!(check(&Tree::of(&[])).len(), 1);
    }
}
