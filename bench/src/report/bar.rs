//! A promise beside its figure. Pure.

use crate::figure::Unit;

/// A promise, and the figure that keeps or breaks it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Bar {
    /// The promise, in words.
    pub(crate) what: String,
    pub(crate) unit: Unit,
    /// The figure; `None` if it could not be measured here.
    pub(crate) measured: Option<f64>,
    /// What the figure must reach, or stay below.
    pub(crate) limit: f64,
    pub(crate) better: Better,
}

/// The side of its limit that a figure has to be on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Better {
    More,
    Less,
}

impl Bar {
    /// Returns whether the promise is kept; what was not measured is not.
    pub(crate) fn passed(&self) -> bool {
        self.measured.is_some_and(|measured| match self.better {
            Better::More => measured >= self.limit,
            Better::Less => measured <= self.limit,
        })
    }

    /// Returns `pass`, `miss`, or `?` for what was not measured.
    pub(crate) fn result(&self) -> &'static str {
        match (self.measured, self.passed()) {
            (None, _) => "?",
            (_, true) => "pass",
            (_, false) => "miss",
        }
    }

    /// Describes the promise and its figure in a line.
    pub(crate) fn line(&self) -> String {
        let sign = match self.better {
            Better::More => "≥",
            Better::Less => "≤",
        };
        let show = |value| format!("{} {}", self.unit.show(value), self.unit.name());
        let measured = self.measured.map_or_else(|| "unknown".to_owned(), show);
        format!("{}: {measured}, wanted {sign} {}", self.what, show(self.limit))
    }
}
