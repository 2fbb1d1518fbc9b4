//! The project's files.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{file::File, rust::token, test_code};

/// All files of the project, by path.
#[derive(Debug)]
pub struct Tree {
    pub(crate) files: Vec<File>,
}

impl Tree {
    /// Reads the project at `root`: what git tracks or would add; all there is in a source
    /// archive.
    pub fn read(root: &Path) -> io::Result<Self> {
        let mut paths = match known_to_git(root) {
            Some(paths) => paths,
            None => walk(root)?,
        };
        paths.retain(|path| root.join(path).is_file());
        let read = |path: String| {
            let bytes = fs::read(root.join(&path))?;
            Ok((path, String::from_utf8(bytes).unwrap_or_default()))
        };
        Ok(Self::build(paths.into_iter().map(read).collect::<io::Result<_>>()?))
    }

    /// Creates a tree of these paths and texts.
    #[cfg(test)]
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        Self::build(files.iter().map(|(path, text)| (path.to_string(), text.to_string())).collect())
    }

    fn build(mut files: Vec<(String, String)>) -> Self {
        files.sort();
        let lex = |(path, text): (String, String)| {
            let is_rust = Path::new(&path).extension().is_some_and(|is| is == "rs");
            let tokens = if is_rust { token::lex(&text) } else { Vec::new() };
            File { path, text, tokens }
        };
        let mut files: Vec<File> = files.into_iter().map(lex).collect();
        test_code::mark(&mut files);
        Self { files }
    }

    /// Returns the files whose names end in `.extension`.
    pub(crate) fn with_extension(&self, extension: &str) -> impl Iterator<Item = &File> {
        self.files.iter().filter(move |file| file.extension() == extension)
    }

    /// Returns the Rust files.
    pub(crate) fn rust(&self) -> impl Iterator<Item = &File> {
        self.with_extension("rs")
    }

    /// Returns the file at `path`.
    pub(crate) fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    /// Returns whether there is a module `module`, in a file or a folder or both.
    pub(crate) fn has_module(&self, module: &str) -> bool {
        self.rust().any(|file| file.is_of_module(module))
    }

    /// Returns whether there is a file or a folder at `path`.
    pub(crate) fn has(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        path.is_empty() || self.files.iter().any(|file| file.path == path || file.is_under(path))
    }
}

/// Asks git for the paths; fails where there is no git or no repository.
fn known_to_git(root: &Path) -> Option<Vec<String>> {
    if !root.join(".git").exists() {
        return None;
    }
    let output = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .ok()?;
    let names = String::from_utf8(output.stdout).ok()?;
    let paths: Vec<String> =
        names.split('\0').filter(|name| !name.is_empty()).map(str::to_owned).collect();
    (output.status.success() && !paths.is_empty()).then_some(paths)
}

/// Lists all files below `root` but what is built.
fn walk(root: &Path) -> io::Result<Vec<String>> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root.join(&folder))? {
            let entry = entry?;
            let path = folder.join(entry.file_name());
            let kind = entry.file_type()?;
            if kind.is_file() {
                let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
                found.push(parts.join("/"));
            } else if kind.is_dir() && entry.file_name() != "target" && entry.file_name() != ".git"
            {
                folders.push(path);
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folder_exists_if_a_file_is_in_it() {
        let tree = Tree::of(&[("a/b/c.rs", "")]);
        assert!(tree.has("a/b/") && tree.has("a/b/c.rs") && !tree.has("a/c") && !tree.has("a/b/c"));
    }
}
