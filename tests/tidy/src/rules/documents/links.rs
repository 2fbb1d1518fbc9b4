//! Links between documents lead somewhere.

use crate::{file::File, markdown, offence::Offence, tree::Tree};

/// Finds links to files, and to headings of them, that are not there.
pub(in crate::rules) fn check(tree: &Tree) -> Vec<Offence> {
    let mut found = Vec::new();
    for file in tree.with_extension("md") {
        for link in markdown::links(&file.text) {
            if let Some(why) = broken(tree, file, link.text) {
                let message = format!("link to `{}`: {why}", link.text);
                found.push(Offence::at(&file.path, link.line, message));
            }
        }
    }
    found
}

/// Returns why a link leads nowhere. Those to other sites are not followed.
fn broken(tree: &Tree, from: &File, link: &str) -> Option<&'static str> {
    let (path, heading) = link.split_once('#').unwrap_or((link, ""));
    if path.contains(':') {
        return None;
    }
    let target =
        if path.is_empty() { Some(from.path.clone()) } else { joined(from.folder(), path) };
    let Some(target) = target.filter(|target| tree.has(target)) else {
        return Some("correct it, there is no such file");
    };
    let has_heading = |document: &File| {
        let lines = markdown::lines(&document.text);
        lines.iter().any(|line| line.text.starts_with('#') && anchor(line.text) == heading)
    };
    let document = tree.file(&target).filter(|file| file.extension() == "md")?;
    (!heading.is_empty() && !has_heading(document))
        .then_some("correct it, there is no such heading")
}

/// Returns the path that `path` is, seen from `folder`; none above the root.
fn joined(folder: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/').filter(|part| !part.is_empty() && *part != ".") {
        if part == ".." {
            parts.pop()?;
        } else {
            parts.push(part);
        }
    }
    Some(parts.join("/"))
}

/// Returns what a link to a heading says, as GitHub makes it.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(link: &str) -> usize {
        let document = format!("# A heading, of `mine`\n[x]({link})");
        let files = [("docs/a.md", document.as_str()), ("docs/b.md", "## Part 2"), ("c.rs", "")];
        check(&Tree::of(&files)).len()
    }

    #[test]
    fn link_that_leads_nowhere_is_found() {
        for link in ["x.md", "../d.rs", "../../c.rs", "b.md#part-3", "#part-2"] {
            assert_eq!(found(link), 1, "{link}");
        }
    }

    #[test]
    fn link_that_leads_somewhere_passes() {
        let links =
            ["b.md", "../c.rs", "./b.md#part-2", "#a-heading-of-mine", "..", "https://x.y/z"];
        for link in links {
            assert_eq!(found(link), 0, "{link}");
        }
    }
}
