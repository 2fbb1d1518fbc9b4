//! Bars: one figure of several subjects.

use super::{
    Anchor, COLOURS, Canvas,
    axis::{Axis, Spread},
};

/// One bar.
pub(crate) struct Bar {
    pub(crate) name: String,
    pub(crate) value: f64,
    /// The least and the most of several rounds.
    pub(crate) range: (f64, f64),
    /// The value in words.
    pub(crate) words: String,
}

/// Draws the plot; `None` without a bar.
pub(crate) fn draw(title: &str, unit: &str, bars: &[Bar]) -> Option<String> {
    let most = bars.iter().map(|bar| bar.range.1.max(bar.value)).reduce(f64::max)?;
    let (left, right, top, bottom) = Canvas::frame();
    let up = Axis::of(Spread::Linear, (0.0, most), (bottom, top));
    let mut canvas = Canvas::new(title);
    for (value, words) in up.marks() {
        let y = up.place(value);
        canvas.line((left, y), (right, y), "#dddddd");
        canvas.write((left - 6.0, y + 4.0), Anchor::End, &words);
    }
    canvas.write((left - 6.0, top - 14.0), Anchor::End, unit);
    let room = (right - left) / f64::from(u32::try_from(bars.len()).ok()?);
    let mut from = left;
    for (bar, colour) in bars.iter().zip(COLOURS.iter().cycle()) {
        let (middle, y) = (from + room / 2.0, up.place(bar.value));
        canvas.block((from + room * 0.2, y), (room * 0.6, bottom - y), colour);
        canvas.line((middle, up.place(bar.range.0)), (middle, up.place(bar.range.1)), "#333333");
        let above = up.place(bar.range.1.max(bar.value)) - 6.0;
        canvas.write((middle, above), Anchor::Middle, &bar.words);
        canvas.write((middle, bottom + 20.0), Anchor::Middle, &bar.name);
        from += room;
    }
    canvas.line((left, bottom), (right, bottom), "#333333");
    Some(canvas.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(name: &str, value: f64) -> Bar {
        let words = format!("{value}");
        Bar { name: name.to_owned(), value, range: (value * 0.9, value * 1.1), words }
    }

    #[test]
    fn heights_are_in_proportion() {
        let text = draw("t", "jobs/s", &[bar("quhao", 4000.0), bar("baseline", 2000.0)]).unwrap();
        let heights: Vec<f64> = text
            .lines()
            .filter(|line| line.starts_with("<rect x="))
            .map(|line| line.split("height=\"").nth(1).unwrap().split('"').next().unwrap())
            .map(|height| height.parse().unwrap())
            .collect();
        assert_eq!(heights.len(), 2);
        assert!((heights[0] / heights[1] - 2.0).abs() < 0.01, "{heights:?}");
    }

    #[test]
    fn nothing_makes_no_plot() {
        assert_eq!(draw("t", "jobs/s", &[]), None);
    }
}
