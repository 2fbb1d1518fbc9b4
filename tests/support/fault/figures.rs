//! A line of measured values that is shown even if the test passes.

use std::{
    fmt::{Display, Write as _},
    io::{Write as _, stderr},
    time::Duration,
};

/// A line of names and values.
#[derive(Debug)]
pub struct Figures(String);

impl Figures {
    /// Creates a line about `subject`.
    pub fn of(subject: &str) -> Self {
        Self(format!("figures: {subject}:"))
    }

    /// Adds a value.
    #[must_use]
    pub fn value(mut self, name: &str, value: impl Display) -> Self {
        let _ = write!(self.0, " {name} {value},");
        self
    }

    /// Adds a time.
    #[must_use]
    pub fn time(self, name: &str, time: Duration) -> Self {
        self.value(name, format_args!("{:.2} s", time.as_secs_f64()))
    }

    /// Shows the line. The test harness captures what is printed by macros; this bypasses it.
    pub fn show(&self) {
        let line = format!("{}\n", self.0.trim_end_matches(','));
        // Standard error may be closed.
        drop(stderr().write_all(line.as_bytes()));
    }
}
