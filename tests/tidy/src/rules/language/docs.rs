//! A function's documentation starts with what the function does.

use crate::{
    file::File,
    offence::Offence,
    rust::function::{Function, functions},
    tree::Tree,
};

/// Words in `s` that are no verbs in the third person, or say nothing as such.
const NO_VERBS: &str = "This Its Is Has Was Always Yes Less Unless Across Perhaps Besides Afterwards Thus As \
    Plus Us Ours Theirs His";

/// Plural nouns. Those that are verbs as well (Answers, Calls, Counts, …) are left out.
const NOUNS: &str = "Addresses Alternatives Apps Arguments Bodies Bytes Callbacks Characters Ciphertexts \
    Clients Codes Columns Configurations Connections Databases Deliveries Digits \
    Endpoints Errors Events Failures Fields Figures Files Folders Guests Headers Ids \
    Items Jobs Keys Lines Logins Members Messages Metrics Microseconds Milliseconds \
    Minutes Names News Notifications Numbers Options Outcomes Paths Phones Problems \
    Reasons Responses Results Rows Seconds Secrets Sessions Settings Settlements Slots \
    Statements Strings Tasks Times Tokens Transactions Values Workers";

/// The attribute of handlers whose documentation is the API's, which addresses its clients.
const API: &str = "utoipa";

/// Finds functions whose documentation does not start with a verb.
pub(in crate::rules) fn check(tree: &Tree) -> Vec<Offence> {
    tree.rust().flat_map(of_file).collect()
}

fn of_file(file: &File) -> Vec<Offence> {
    let documented = functions(&file.tokens).into_iter();
    let documented = documented.filter(|function| {
        !function.is_test && !function.in_test && !function.attributes.contains(&API)
    });
    documented.filter_map(|function| judge(file, &function)).collect()
}

fn judge(file: &File, function: &Function<'_>) -> Option<Offence> {
    let doc = function.doc?;
    let text = doc.text.trim();
    let mut words = text.split(' ');
    let first = words.next()?.trim_end_matches([',', ';', '.', ':']);
    let second = words.next().unwrap_or_default();
    let is_third_person = first.ends_with('s')
        && first.starts_with(|c: char| c.is_ascii_uppercase())
        && first.chars().skip(1).all(|c| c.is_ascii_lowercase() || c == '-');
    let is_verb =
        is_third_person && !NO_VERBS.split(' ').chain(NOUNS.split(' ')).any(|word| word == first);
    if is_verb && second != "of" {
        return None;
    }
    let message = format!(
        "doc of `{}` starts with \"{first} {second}\": start with a verb, as in Returns, Sends",
        function.name
    );
    Some(Offence::at(&file.path, doc.line, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(doc: &str) -> usize {
        check(&Tree::of(&[("a.rs", &format!("/// {doc}\npub fn a() {{}}"))])).len()
    }

    #[test]
    fn doc_without_a_verb_is_found() {
        for doc in [
            "The next one.",
            "A queue.",
            "Whether it is open.",
            "What comes next.",
            "Return it.",
            "None yet; it comes from `source`.",
            "`None` if there is none.",
            "Is open.",
            "This one.",
            "Callers of it.",
            "Jobs that wait.",
        ] {
            assert_eq!(found(doc), 1, "{doc}");
        }
    }

    #[test]
    fn doc_with_a_verb_passes() {
        for doc in ["Returns whether it is open.", "Sends, then waits.", "Re-exports it."] {
            assert_eq!(found(doc), 0, "{doc}");
        }
    }

    #[test]
    fn tests_and_types_may_start_as_they_like() {
        let source = "/// A type.\nstruct A;\n/// Submit a job.\n#[utoipa::path(post)]\nfn s() {}\n/// The test.\n#[test]\nfn b() {}\n\
                      #[cfg(test)]\nmod tests {\n/// The help.\nfn c() {}\n}\nfn d() {}";
        assert_eq!(check(&Tree::of(&[("a.rs", source)])), []);
    }
}
