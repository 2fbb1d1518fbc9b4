//! A report for people.

use std::io::{self, Write};

use super::{
    bar::Bar,
    summary::{Report, Subject, Summary, Trial},
};
use crate::figure::median;

/// Writes everything, the promises last.
pub(crate) fn write(out: &mut impl Write, report: &Report, bars: &[Bar]) -> io::Result<()> {
    for (name, value) in report.machine.lines() {
        writeln!(out, "{name:<18}{value}")?;
    }
    for trial in &report.trials {
        write_trial(out, trial)?;
    }
    if !bars.is_empty() {
        writeln!(out, "\npromises")?;
    }
    for bar in bars {
        writeln!(out, "  {:<6}{}", bar.result(), bar.line())?;
    }
    Ok(())
}

fn write_trial(out: &mut impl Write, trial: &Trial) -> io::Result<()> {
    let rounds = match trial.rounds {
        1 => "one round".to_owned(),
        rounds => format!("medians of {rounds} rounds, least and most in brackets"),
    };
    writeln!(out, "\n{}: {}; {rounds}", trial.name, trial.setting)?;
    for subject in &trial.subjects {
        write_subject(out, subject)?;
    }
    Ok(())
}

fn write_subject(out: &mut impl Write, subject: &Subject) -> io::Result<()> {
    writeln!(out, "\n  {}", subject.name)?;
    for figure in &subject.figures {
        writeln!(out, "    {}", line(figure))?;
    }
    for note in &subject.notes {
        writeln!(out, "    ! {note}")?;
    }
    Ok(())
}

fn line(figure: &Summary) -> String {
    let Summary { name, unit, values, ratios } = figure;
    let value = unit.show(figure.median());
    let (lowest, highest) = figure.range();
    let range = match values.len() {
        1 => String::new(),
        _ => format!("({}…{})", unit.show(lowest), unit.show(highest)),
    };
    let ratio = median(ratios).map_or_else(String::new, |ratio| format!("{ratio:.3} × ceiling"));
    let line = format!("{name:<30}{value:>10} {:<8}{range:<22}{ratio}", unit.name());
    line.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{promises, summary::tests::report};

    #[test]
    fn a_table_has_median_range_and_ratio() {
        let report = report();
        let mut text = Vec::new();
        write(&mut text, &report, &promises::bars(&report)).unwrap();
        let text = String::from_utf8(text).unwrap();
        let line = text.lines().find(|line| line.contains("end to end")).unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        let expected = ["end", "to", "end", "200", "jobs/s", "(100…300)", "0.100", "×", "ceiling"];
        assert_eq!(words, expected);
        assert!(text.contains("medians of 3 rounds"), "{text}");
    }
}
