//! Lists every place that breaks a rule.
//!
//! `quhao-tidy [ROOT [WORD…]]`: ROOT is the project's folder, else the current one. With
//! words it lists only the rules and paths that contain one of them. Exits with 1 if it
//! lists any.

use std::{
    env,
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use quhao_tidy::{offence::Offence, rules, tree::Tree};

fn main() -> io::Result<ExitCode> {
    let mut arguments = env::args().skip(1);
    let root = arguments.next().map_or_else(|| PathBuf::from("."), PathBuf::from);
    let words: Vec<String> = arguments.collect();
    let tree = Tree::read(&root)?;
    let mut out = io::stdout().lock();
    let mut total = 0;
    for rule in &rules::ALL {
        let mut offences = (rule.check)(&tree);
        offences.retain(|offence| is_wanted(&words, rule.name, offence));
        if offences.is_empty() {
            continue;
        }
        total += offences.len();
        writeln!(out, "\n{} ({}): {}", rule.name, offences.len(), rule.demand)?;
        for offence in offences {
            writeln!(out, "  {offence}")?;
        }
    }
    writeln!(out, "\n{total} in all")?;
    Ok(if total == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Returns whether the rule or the path contains one of `words`, if there are any.
fn is_wanted(words: &[String], rule: &str, offence: &Offence) -> bool {
    let is_in = |word: &String| rule.contains(word.as_str()) || offence.path.contains(word);
    words.is_empty() || words.iter().any(is_in)
}
