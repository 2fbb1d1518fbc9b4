//! An axis: from values to places on a plot, and the marks beside it. Pure.

/// The way in which values are spread over an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spread {
    /// Evenly.
    Linear,
    /// By their logarithm; values must be above zero.
    Logarithmic,
    /// Shares from 0 to 1 by how many nines they have, as for the tail of a distribution.
    Nines,
}

/// One axis.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Axis {
    spread: Spread,
    /// Between two marks of a linear one.
    step: f64,
    /// After spreading.
    values: (f64, f64),
    /// Where the two ends of the values are on the plot.
    places: (f64, f64),
}

/// Marks on a linear axis, about.
const MARKS: f64 = 5.0;

/// The highest share that is shown, in nines: 99.99 %.
const NINES_MAX: f64 = 4.0;

impl Spread {
    fn apply(self, value: f64) -> f64 {
        match self {
            Self::Linear => value,
            Self::Logarithmic => value.max(f64::MIN_POSITIVE).log10(),
            Self::Nines => (-(1.0 - value).max(1e-9).log10()).min(NINES_MAX),
        }
    }
}

impl Axis {
    /// Creates an axis on which all values find a place. Linear ones begin at zero: a bar that
    /// does not would mislead.
    pub(crate) fn of(spread: Spread, values: (f64, f64), places: (f64, f64)) -> Self {
        let (least, most) = (spread.apply(values.0), spread.apply(values.1));
        let step = nice(most.max(1e-9) / MARKS);
        let values = match spread {
            Spread::Linear => (0.0, (most / step).ceil().max(1.0) * step),
            Spread::Logarithmic => (least.floor(), most.ceil().max(least.floor() + 1.0)),
            Spread::Nines => (0.0, NINES_MAX),
        };
        Self { spread, step, values, places }
    }

    /// Returns the place of a value.
    pub(crate) fn place(&self, value: f64) -> f64 {
        let (low, high) = self.values;
        let part = (self.spread.apply(value) - low) / (high - low);
        self.places.0 + (self.places.1 - self.places.0) * part.clamp(0.0, 1.0)
    }

    /// Returns the values to be marked, and how they are written.
    pub(crate) fn marks(&self) -> Vec<(f64, String)> {
        let (low, high) = self.values;
        match self.spread {
            Spread::Linear => {
                let marks = steps(0.0, high / self.step).map(|at| at * self.step);
                marks.map(|value| (value, plain(value))).collect()
            }
            Spread::Logarithmic => {
                let marks = steps(low, high).map(|power| 10.0_f64.powf(power));
                marks.map(|value| (value, plain(value))).collect()
            }
            Spread::Nines => [
                (0.0, "0"),
                (0.5, "50"),
                (0.9, "90"),
                (0.99, "99"),
                (0.999, "99.9"),
                (0.9999, "99.99"),
            ]
            .map(|(share, words)| (share, format!("{words} %")))
            .to_vec(),
        }
    }
}

/// Returns whole steps from one number to another.
fn steps(from: f64, to: f64) -> impl Iterator<Item = f64> {
    std::iter::successors(Some(from), |at| Some(at + 1.0)).take_while(move |at| *at <= to + 1e-9)
}

/// Rounds up to a number from 1, 2, 5, 10, 20, …
fn nice(value: f64) -> f64 {
    let power = 10.0_f64.powf(value.log10().floor());
    let step = [1.0, 2.0, 5.0].into_iter().find(|step| step * power >= value);
    step.unwrap_or(10.0) * power
}

/// Formats a value without trailing zeros.
fn plain(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-6, "{found} is not {expected}");
    }

    #[test]
    fn a_linear_axis_begins_at_zero_and_has_round_marks() {
        let axis = Axis::of(Spread::Linear, (900.0, 4300.0), (100.0, 0.0));
        let marks: Vec<String> = axis.marks().into_iter().map(|(_, words)| words).collect();
        assert_eq!(marks, ["0", "1000", "2000", "3000", "4000", "5000"]);
        near(axis.place(0.0), 100.0);
        near(axis.place(2500.0), 50.0);
    }

    #[test]
    fn a_logarithmic_axis_has_powers_of_ten() {
        let axis = Axis::of(Spread::Logarithmic, (0.7, 300.0), (0.0, 40.0));
        let marks: Vec<String> = axis.marks().into_iter().map(|(_, words)| words).collect();
        assert_eq!(marks, ["0.1", "1", "10", "100", "1000"]);
        near(axis.place(10.0), 20.0);
        // One value alone still has an axis.
        let alone = Axis::of(Spread::Logarithmic, (1.0, 1.0), (0.0, 10.0));
        near(alone.place(1.0), 0.0);
    }

    #[test]
    fn every_nine_has_as_much_room() {
        let axis = Axis::of(Spread::Nines, (0.0, 1.0), (0.0, 400.0));
        near(axis.place(0.9), 100.0);
        near(axis.place(0.99), 200.0);
        near(axis.place(1.0), 400.0);
    }
}
