//! Lines over an axis: distributions, and what happened over time.

use super::{
    Anchor, COLOURS, Canvas,
    axis::{Axis, Spread},
};

/// One line.
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) points: Vec<(f64, f64)>,
}

/// What a plot of lines shows.
pub(crate) struct Lines<'a> {
    pub(crate) title: &'a str,
    /// What stands below and beside it.
    pub(crate) axes: (&'a str, &'a str),
    pub(crate) spreads: (Spread, Spread),
    pub(crate) drawn: Vec<Line>,
}

impl Lines<'_> {
    /// Draws the plot; `None` without a point.
    pub(crate) fn draw(&self) -> Option<String> {
        let points = || self.drawn.iter().flat_map(|line| &line.points);
        let span = |of: fn(&(f64, f64)) -> f64| {
            let least = points().map(of).reduce(f64::min)?;
            Some((least, points().map(of).reduce(f64::max)?))
        };
        let (left, right, top, bottom) = Canvas::frame();
        let across = Axis::of(self.spreads.0, span(|point| point.0)?, (left, right));
        let up = Axis::of(self.spreads.1, span(|point| point.1)?, (bottom, top));
        let mut canvas = Canvas::new(self.title);
        canvas.legend(self.drawn.iter().map(|line| line.name.as_str()));
        marks(&mut canvas, &across, &up, self.axes);
        for (line, colour) in self.drawn.iter().zip(COLOURS.iter().cycle()) {
            let places: Vec<(f64, f64)> =
                line.points.iter().map(|(x, y)| (across.place(*x), up.place(*y))).collect();
            canvas.path(&places, colour);
        }
        Some(canvas.finish())
    }
}

fn marks(canvas: &mut Canvas, across: &Axis, up: &Axis, axes: (&str, &str)) {
    let (left, right, top, bottom) = Canvas::frame();
    for (value, words) in up.marks() {
        let y = up.place(value);
        canvas.line((left, y), (right, y), "#dddddd");
        canvas.write((left - 6.0, y + 4.0), Anchor::End, &words);
    }
    for (value, words) in across.marks() {
        let x = across.place(value);
        canvas.line((x, bottom), (x, bottom + 5.0), "#333333");
        canvas.write((x, bottom + 20.0), Anchor::Middle, &words);
    }
    canvas.line((left, bottom), (right, bottom), "#333333");
    canvas.write((f64::midpoint(left, right), bottom + 42.0), Anchor::Middle, axes.0);
    canvas.write((left - 6.0, top - 14.0), Anchor::End, axes.1);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(points: Vec<(f64, f64)>) -> Option<String> {
        let line = Line { name: "memory".to_owned(), points };
        let spreads = (Spread::Linear, Spread::Linear);
        Lines { title: "t", axes: ("s", "MiB"), spreads, drawn: vec![line] }.draw()
    }

    #[test]
    fn every_point_is_on_the_plot() {
        let text = lines(vec![(0.0, 10.0), (5.0, 60.0)]).unwrap();
        let path = text.split("points=\"").nth(1).unwrap().split('"').next().unwrap();
        let (left, right, top, bottom) = Canvas::frame();
        for point in path.split(' ') {
            let (x, y) = point.split_once(',').unwrap();
            let (x, y): (f64, f64) = (x.parse().unwrap(), y.parse().unwrap());
            assert!((left..=right).contains(&x) && (top..=bottom).contains(&y), "{point}");
        }
        assert!(text.contains("MiB") && text.contains("memory"));
    }

    #[test]
    fn nothing_makes_no_plot() {
        assert_eq!(lines(vec![]), None);
    }
}
