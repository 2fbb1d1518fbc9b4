//! Plots as SVG text. Pure, and by hand: three kinds of plots need no library.

use std::fmt::Write as _;

pub(crate) mod axis;
pub(crate) mod bars;
pub(crate) mod lines;

pub(crate) const WIDTH: f64 = 760.0;
pub(crate) const HEIGHT: f64 = 400.0;
/// Room for what stands around the plot: left, right, top, bottom.
const MARGINS: (f64, f64, f64, f64) = (70.0, 40.0, 75.0, 55.0);

/// Colours that colour-blind readers can distinguish, on white and on black (Okabe and Ito).
pub(crate) const COLOURS: [&str; 6] =
    ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];

/// A plot that is being drawn.
pub(crate) struct Canvas {
    text: String,
}

/// Where a text stands against its point.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

impl Anchor {
    fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Middle => "middle",
            Self::End => "end",
        }
    }
}

impl Canvas {
    pub(crate) fn new(title: &str) -> Self {
        let mut text = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
             font-family=\"sans-serif\" font-size=\"12\">\n"
        );
        let _ = writeln!(text, "<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#ffffff\"/>");
        let mut canvas = Self { text };
        let (left, _, _, _) = MARGINS;
        canvas.bold((left, 20.0), title);
        canvas
    }

    /// Returns the plot's own corners: left, right, top, bottom.
    pub(crate) fn frame() -> (f64, f64, f64, f64) {
        let (left, right, top, bottom) = MARGINS;
        (left, WIDTH - right, top, HEIGHT - bottom)
    }

    pub(crate) fn line(&mut self, from: (f64, f64), to: (f64, f64), colour: &str) {
        let _ = writeln!(
            self.text,
            "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" stroke=\"{colour}\"/>",
            from.0, from.1, to.0, to.1
        );
    }

    pub(crate) fn path(&mut self, points: &[(f64, f64)], colour: &str) {
        let points: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let _ = writeln!(
            self.text,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            points.join(" ")
        );
    }

    /// Draws a rectangle from its upper left corner.
    pub(crate) fn block(&mut self, corner: (f64, f64), size: (f64, f64), colour: &str) {
        let _ = writeln!(
            self.text,
            "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"{colour}\"/>",
            corner.0, corner.1, size.0, size.1
        );
    }

    pub(crate) fn write(&mut self, at: (f64, f64), anchor: Anchor, words: &str) {
        let _ = writeln!(
            self.text,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"{}\" fill=\"#333333\">{}</text>",
            at.0,
            at.1,
            anchor.name(),
            escaped(words)
        );
    }

    fn bold(&mut self, at: (f64, f64), words: &str) {
        let _ = writeln!(
            self.text,
            "<text x=\"{:.1}\" y=\"{:.1}\" font-weight=\"bold\" fill=\"#333333\">{}</text>",
            at.0,
            at.1,
            escaped(words)
        );
    }

    /// Draws which colour is whose, above the plot.
    pub(crate) fn legend<'a>(&mut self, names: impl Iterator<Item = &'a str>) {
        let (mut x, _, _, _) = MARGINS;
        for (name, colour) in names.zip(COLOURS.iter().cycle()) {
            self.block((x, 34.0), (12.0, 12.0), colour);
            self.write((x + 17.0, 44.0), Anchor::Start, name);
            // A character of this size is some seven units wide.
            x += 17.0 + 7.0 * f64::from(u32::try_from(name.chars().count()).unwrap_or(0)) + 18.0;
        }
    }

    pub(crate) fn finish(mut self) -> String {
        self.text.push_str("</svg>\n");
        self.text
    }
}

fn escaped(words: &str) -> String {
    words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_cannot_end_their_element() {
        let mut canvas = Canvas::new("a < b & c");
        canvas.legend(["x>y"].into_iter());
        let text = canvas.finish();
        assert!(text.contains("a &lt; b &amp; c") && text.contains("x&gt;y"));
        assert!(text.starts_with("<svg ") && text.ends_with("</svg>\n"));
        assert_eq!(text.matches("<text").count(), text.matches("</text>").count());
    }
}
