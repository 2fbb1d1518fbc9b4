//! The tree keeps to its own rules (STYLE.md). Every test names each offender.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Longest source file: what a reader can hold in mind.
const LINES_MAX: usize = 300;

/// Names that say nothing about what is inside.
const EMPTY_NAMES: [&str; 10] =
    ["common", "helper", "helpers", "misc", "models", "shared", "stuff", "types", "util", "utils"];

/// What the pure part of `common` has no business with.
const IO_CRATES: [&str; 6] = ["axum", "hyper", "lapin", "reqwest", "sqlx", "tokio"];

/// Nor with these.
const CLOCKS: [&str; 5] = ["now_utc(", "SystemTime::", "Instant::", "std::fs", "std::net"];

#[test]
fn no_source_file_is_too_long() {
    let long = files("rs").into_iter().filter_map(|file| {
        let lines = read(&file).lines().count();
        (lines > LINES_MAX).then(|| format!("{}: {lines} lines", file.display()))
    });
    none("source files longer than allowed", long);
}

#[test]
fn no_module_hides_in_mod_rs() {
    let hidden = files("rs").into_iter().filter(|file| file.ends_with("mod.rs"));
    none("foo/mod.rs instead of foo.rs", shown(hidden));
}

#[test]
fn every_file_is_named_after_what_it_holds() {
    let vague = files("rs").into_iter().filter(|file| {
        file.file_stem().is_some_and(|stem| EMPTY_NAMES.iter().any(|name| stem == *name))
    });
    none("files with names that say nothing", shown(vague));
}

#[test]
fn both_databases_have_the_same_migrations() {
    let numbers = |database: &str| -> BTreeSet<String> {
        let under = Path::new("migrations").join(database);
        let names = files("sql").into_iter().filter(|file| file.starts_with(&under)).map(|file| {
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            name.split('_').next().unwrap_or_default().to_owned()
        });
        names.collect()
    };
    let (postgres, sqlite) = (numbers("postgres"), numbers("sqlite"));
    assert!(!postgres.is_empty(), "no migrations for Postgres");
    assert_eq!(postgres, sqlite, "numbers in migrations/postgres and in migrations/sqlite");
}

/// The modules that `common/src/lib.rs` lists before the first seam.
fn vocabulary(lib: &str) -> impl Iterator<Item = &str> {
    lib.lines()
        .take_while(|line| *line != "pub mod queue;")
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'))
}

/// Their files, and those in the folders beside them.
fn files_of_the_vocabulary() -> Vec<PathBuf> {
    let lib = read(Path::new("common/src/lib.rs"));
    let pure: Vec<&str> = vocabulary(&lib).collect();
    assert!(pure.contains(&"vault"), "common/src/lib.rs lists the vocabulary first: {pure:?}");
    let mut files = files("rs");
    files.retain(|file| {
        let part = file.strip_prefix("common/src").ok().and_then(|rest| rest.components().next());
        let name = part.map(|part| part.as_os_str().to_string_lossy().into_owned());
        name.is_some_and(|name| pure.contains(&name.trim_end_matches(".rs")))
    });
    let folders = files.iter().filter(|file| file.components().count() > 3).count();
    assert!(files.len() >= pure.len() + folders && folders > 0, "folders too: {files:?}");
    files
}

/// Which of `words` stand in each of these files, by `stands`.
fn found(
    files: Vec<PathBuf>,
    words: &'static [&str],
    stands: impl Fn(&str, &str) -> bool,
) -> Vec<String> {
    let of_file = |file: PathBuf| {
        let text = read(&file);
        let used = words.iter().filter(|word| stands(&text, word));
        used.map(|word| format!("{} uses {word}", file.display())).collect::<Vec<_>>()
    };
    files.into_iter().flat_map(of_file).collect()
}

#[test]
fn the_vocabulary_is_pure() {
    none("I/O in the vocabulary", found(files_of_the_vocabulary(), &IO_CRATES, uses));
}

#[test]
fn the_vocabulary_has_no_clock() {
    let used = found(files_of_the_vocabulary(), &CLOCKS, |text, word| text.contains(word));
    none("a clock or I/O in the vocabulary", used);
}

#[test]
fn links_between_documents_lead_somewhere() {
    let broken = files("md").into_iter().flat_map(|file| {
        let folder = file.parent().map(Path::to_owned).unwrap_or_default();
        let text = read(&file);
        let dead =
            links(&text).into_iter().filter(|link| !root().join(&folder).join(link).exists());
        dead.map(|link| format!("{}: {link}", file.display())).collect::<Vec<_>>()
    });
    none("links to files that are not there", broken);
}

#[test]
fn every_metric_is_documented() {
    let page = Path::new("docs/metrics.md");
    assert!(root().join(page).exists(), "docs/metrics.md is missing");
    let documented = metrics(&read(page));
    let recorded: BTreeSet<String> = files("rs")
        .iter()
        .filter(|file| file.components().any(|part| part.as_os_str() == "src"))
        .flat_map(|file| metrics_recorded(&read(file)))
        .collect();
    assert!(!recorded.is_empty(), "no metrics in the sources: has the way to record them changed?");
    none("metrics that docs/metrics.md leaves out", recorded.difference(&documented).cloned());
}

#[test]
fn crates_depend_in_one_direction() {
    let allowed: [(&str, &[&str]); 5] = [
        ("common", &[]),
        ("simulator", &[]),
        ("producer", &["quhao-common"]),
        ("worker", &["quhao-common"]),
        ("bench", &["quhao-simulator", "quhao-tests"]),
    ];
    let wrong = allowed.iter().flat_map(|(package, may)| {
        let manifest = read(&Path::new(package).join("Cargo.toml"));
        let found =
            dependencies(&manifest).into_iter().filter(|name| !may.contains(&name.as_str()));
        found.map(|name| format!("{package} depends on {name}")).collect::<Vec<_>>()
    });
    none("dependencies against the direction", wrong);
}

// --- reading the tree -------------------------------------------------------------------

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(file: &Path) -> String {
    let path = root().join(file);
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The project's files with this extension, from the root: what git knows or would add; in
/// a source archive all there are.
fn files(extension: &str) -> Vec<PathBuf> {
    let all = known_to_git().unwrap_or_else(|| {
        let mut found = Vec::new();
        walk(&root(), Path::new(""), &mut found);
        found
    });
    let mut wanted: Vec<PathBuf> = all
        .into_iter()
        .filter(|file| file.extension().is_some_and(|is| is == extension))
        .filter(|file| root().join(file).is_file())
        .collect();
    wanted.sort();
    wanted
}

fn known_to_git() -> Option<Vec<PathBuf>> {
    if !root().join(".git").exists() {
        return None;
    }
    let output = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .ok()?;
    let names = String::from_utf8(output.stdout).ok()?;
    let files: Vec<PathBuf> =
        names.split('\0').filter(|name| !name.is_empty()).map(PathBuf::from).collect();
    (output.status.success() && !files.is_empty()).then_some(files)
}

fn walk(root: &Path, under: &Path, found: &mut Vec<PathBuf>) {
    let folder = root.join(under);
    let entries =
        fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())).flatten();
    for entry in entries {
        let name = entry.file_name();
        let path = under.join(&name);
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && name != "target" && name != ".git" => {
                walk(root, &path, found);
            }
            Ok(kind) if kind.is_file() => found.push(path),
            _ => {}
        }
    }
}

fn shown(files: impl Iterator<Item = PathBuf>) -> impl Iterator<Item = String> {
    files.map(|file| file.display().to_string())
}

fn none(what: &str, offenders: impl IntoIterator<Item = String>) {
    let offenders: Vec<String> = offenders.into_iter().collect();
    assert!(offenders.is_empty(), "{what}:\n  {}", offenders.join("\n  "));
}

// --- reading files ----------------------------------------------------------------------

/// Whether Rust code, comments aside, names the crate.
fn uses(code: &str, name: &str) -> bool {
    let path = format!("{name}::");
    let code = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    code.flat_map(|line| line.match_indices(&path).map(move |(at, _)| &line[..at]))
        .any(|before| !before.ends_with(|c: char| c.is_alphanumeric() || c == '_'))
}

/// The files that a Markdown text links to, as they are written; code blocks aside.
fn links(text: &str) -> Vec<String> {
    let mut in_code = false;
    let mut links = Vec::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        if in_code {
            continue;
        }
        let targets = line.split("](").skip(1).filter_map(|rest| rest.split([')', ' ']).next());
        let files = targets.filter_map(|target| target.split('#').next());
        let local = files.filter(|file| !file.is_empty() && !file.contains(':'));
        links.extend(local.map(str::to_owned));
    }
    links
}

/// The names of metrics in a text.
fn metrics(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'));
    words.filter(|word| word.starts_with("quhao_")).map(str::to_owned).collect()
}

/// The names of metrics that Rust code records: the first argument of a metrics macro.
fn metrics_recorded(code: &str) -> Vec<String> {
    let macros = ["counter!(", "gauge!(", "histogram!("];
    macros
        .iter()
        .flat_map(|name| code.split(name).skip(1))
        .filter_map(|rest| rest.trim_start().strip_prefix('"')?.split('"').next())
        .map(str::to_owned)
        .collect()
}

/// The project's own crates that a manifest depends on, for whatever purpose.
fn dependencies(manifest: &str) -> Vec<String> {
    let mut in_dependencies = false;
    let mut names = Vec::new();
    for line in manifest.lines() {
        if let Some(section) = line.strip_prefix('[') {
            in_dependencies = section.contains("dependencies");
            // A table of its own: [dependencies.quhao-common]
            names.extend(section.split(['.', ']']).filter(|_| in_dependencies).map(str::to_owned));
        } else if in_dependencies {
            names.extend(line.split(['.', '=', ' ']).next().map(str::to_owned));
        }
    }
    names.retain(|name| name == "quhao" || name.starts_with("quhao-"));
    names
}
