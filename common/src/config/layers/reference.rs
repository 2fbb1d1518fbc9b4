//! The reference of all keys, made from the default file.

use std::fmt::Write;

use super::{
    origin::variable,
    schema::{SCHEMA, Section},
};

const INTRODUCTION: &str = "\
# Configuration

<!-- Generated from common/config.default.toml. Change that file, not this one. -->

`quhao config` prints what is in force and where each value comes from, secrets masked.
`quhao config --defaults` prints the default file with these comments.

## Where values come from

A later source replaces an earlier one:

1. the defaults below;
2. the file that `--config` names, or `quhao.toml` in the working directory if it is there;
3. the files `config.d/*.toml` beside it, in order of name;
4. environment variables: `[store] url` is `QUHAO__STORE__URL`, and a list is given with commas.

`[[clients]]` and `[[apps]]` of several files add up, so that each merchant can have a file in `config.d/`.
They are read from files only.

## Secrets and paths

A secret may be in a file of its own: `x_file` instead of `x`, as Docker and Kubernetes provide secrets.
One line break at the end of such a file is not part of the secret.
A relative path, also that of a `sqlite:` URL, starts at the folder of the file that names it.
If a variable names it, it starts at the working directory.

## Reload

SIGHUP makes a running process read all of this again, secrets in files too.
[Upgrade and change](upgrade.md#change-the-configuration-sighup) says what changes at once, and what needs a restart.

## Errors

All errors are reported together, each with file or variable, key and what was expected.
Values are never quoted.
An unknown key is an error.
";

/// Returns the reference of every key, as Markdown.
pub fn reference_markdown() -> String {
    let mut out = String::from(INTRODUCTION);
    for section in SCHEMA.iter() {
        heading(&mut out, section);
        out.push_str("\n| key | default | meaning |\n|---|---|---|\n");
        for entry in &section.entries {
            let default =
                if entry.is_default { format!("`{}`", entry.value) } else { "–".to_owned() };
            let text = entry.text.replace('|', "\\|");
            let _ = writeln!(out, "| `{}` | {default} | {text} |", entry.key);
        }
    }
    out
}

fn heading(out: &mut String, section: &Section) {
    let _ = match (section.name.as_str(), section.list) {
        ("", _) => writeln!(out, "\n## Top level"),
        (name, true) => writeln!(out, "\n## `[[{name}]]`"),
        (name, false) => writeln!(out, "\n## `[{name}]`"),
    };
    if !section.text.is_empty() {
        let _ = writeln!(out, "\n{}", section.text);
    }
    if let Some(entry) = section.entries.first().filter(|_| !section.list) {
        let name = variable(&section.path(&entry.key));
        let _ = writeln!(out, "\nVariables: `{name}` and so on.");
    }
}
