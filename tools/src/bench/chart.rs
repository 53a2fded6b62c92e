//! Figures as a chart: for each, a bar of ours, one of Linux's, and a mark at what ours must not exceed.
//!
//! The axis is logarithmic, or the shorter bars would be invisible: each grid line stands for ten times the one before.
//! Figures of one unit share an axis.

use svg::Document;
use svg::node::element::{Group, Line, Rectangle, Text};

use super::figure::Figure;
use super::number::rounded;

/// Widths, heights and places in the chart's own unit, a pixel where nobody scales it.
const WIDTH: f64 = 960.0;
const MARGIN: f64 = 16.0;
/// Where the axis begins: names stand left of it.
const LEFT: f64 = 400.0;
/// Where it ends: the numbers of the longest bars stand right of it.
const RIGHT: f64 = 860.0;
/// Height of a bar, and of a figure with two of them.
const BAR: f64 = 11.0;
const ROW: f64 = 32.0;
/// Room for a number.
const NUMBER: f64 = 45.0;
/// Height of a head line.
const HEAD: f64 = 34.0;

/// Of ours, of Linux's, of the mark, of the grid, of words.
const OURS: &str = "#1f6fb2";
const THEIRS: &str = "#b9b9b9";
const MARK: &str = "#c0392b";
const GRID: &str = "#e4e4e4";
const WORDS: &str = "#222222";

/// Draws the figures that have something to be compared with; `None` if none has. `peer` is the version of Linux, if there was one.
pub fn draw(figures: &[Figure], peer: &str) -> Option<String> {
    let mut units: Vec<&str> = Vec::new();
    for figure in figures.iter().filter(|figure| theirs(figure).is_some()) {
        if !units.contains(&figure.unit.as_str()) {
            units.push(&figure.unit);
        }
    }
    if units.is_empty() {
        return None;
    }
    let mut chart = Group::new().add(legend(peer));
    let mut top = HEAD + MARGIN;
    for unit in units {
        let of_unit: Vec<_> = figures.iter().filter(|figure| figure.unit == unit && is_comparable(figure)).collect();
        chart = chart.add(panel(unit, &of_unit, top));
        top += HEAD + ROW * of_unit.len() as f64 + MARGIN;
    }
    let paper = rectangle(0.0, 0.0, WIDTH, top, "#ffffff");
    let style = "font-family: sans-serif; font-size: 12px";
    let document = Document::new().set("viewBox", (0, 0, WIDTH, top)).set("width", WIDTH).set("height", top);
    Some(document.set("style", style).add(paper).add(chart).to_string())
}

fn theirs(figure: &Figure) -> Option<f64> {
    Some(figure.peer.as_ref()?.measured.as_ref()?.value)
}

/// Whether there is anything beside the figure itself.
fn is_comparable(figure: &Figure) -> bool {
    theirs(figure).is_some() || figure.bar.is_some()
}

fn legend(peer: &str) -> Group {
    let entries = [("Roost", OURS), (&legend_of(peer) as &str, THEIRS), ("must not exceed", MARK)];
    let mut group = Group::new();
    for ((name, colour), left) in entries.into_iter().zip([LEFT - 160.0, LEFT - 70.0, LEFT + 280.0]) {
        group = group.add(rectangle(left, MARGIN, BAR, BAR, colour));
        group = group.add(words(name, left + BAR + 6.0, MARGIN + BAR - 1.0, "start"));
    }
    group
}

fn legend_of(peer: &str) -> String {
    let linux = if peer.is_empty() { String::new() } else { format!("Linux {peer}, or ") };
    format!("{linux}the crate named")
}

/// The figures of one unit, from `top` downwards.
fn panel(unit: &str, figures: &[&Figure], top: f64) -> Group {
    let values = figures.iter().flat_map(|figure| [Some(figure.ours.value), theirs(figure), figure.bar]);
    let axis = Axis::of(values.flatten());
    let mut group = Group::new().add(words(unit, MARGIN, top + HEAD - 14.0, "start").set("font-weight", "bold"));
    let bottom = top + HEAD + ROW * figures.len() as f64;
    for (value, x) in axis.decades() {
        group = group.add(line(x, top + HEAD - 6.0, bottom, GRID, 1.0));
        group = group.add(words(&rounded(value), x, top + HEAD - 14.0, "middle"));
    }
    for (index, figure) in figures.iter().enumerate() {
        group = group.add(row(figure, &axis, top + HEAD + ROW * index as f64));
    }
    group
}

fn row(figure: &Figure, axis: &Axis, top: f64) -> Group {
    let name = format!("{}: {}", figure.benchmark, figure.name);
    let mut group = Group::new().add(words(&name, LEFT - 8.0, top + ROW / 2.0, "end"));
    let mark = figure.bar.map(|bar| axis.place(bar));
    let bars = [(Some(figure.ours.value), OURS), (theirs(figure), THEIRS)];
    for ((value, colour), top) in bars.into_iter().zip([top + 2.0, top + 2.0 + BAR]) {
        let Some(value) = value else { continue };
        let end = axis.place(value);
        // A number that the mark would cross stands behind it.
        let crossed = mark.filter(|mark| (end..end + NUMBER).contains(mark));
        group = group.add(rectangle(LEFT, top, end - LEFT, BAR, colour));
        group = group.add(words(&rounded(value), crossed.unwrap_or(end) + 5.0, top + BAR - 1.0, "start"));
    }
    match mark {
        Some(x) => group.add(line(x, top, top + 2.0 * BAR + 4.0, MARK, 2.0)),
        None => group,
    }
}

/// A logarithmic axis over whole decades.
#[derive(Debug, PartialEq)]
struct Axis {
    /// Exponents of the first and the last value.
    from: i32,
    to: i32,
}

impl Axis {
    fn of(values: impl Iterator<Item = f64>) -> Self {
        let exponents: Vec<_> = values.filter(|&value| value > 0.0).map(f64::log10).collect();
        let from = exponents.iter().copied().fold(0.0, f64::min).floor() as i32;
        let to = exponents.iter().copied().fold(1.0, f64::max).ceil() as i32;
        Self { from, to }
    }

    /// Where a value lies; what is too small to lie anywhere lies at the beginning.
    fn place(&self, value: f64) -> f64 {
        let share = (value.max(f64::MIN_POSITIVE).log10() - f64::from(self.from)) / f64::from(self.to - self.from);
        LEFT + share.clamp(0.0, 1.0) * (RIGHT - LEFT)
    }

    fn decades(&self) -> impl Iterator<Item = (f64, f64)> {
        (self.from..=self.to).map(|exponent| 10_f64.powi(exponent)).map(|value| (value, self.place(value)))
    }
}

fn rectangle(x: f64, y: f64, width: f64, height: f64, colour: &str) -> Rectangle {
    let place = Rectangle::new().set("x", tenths(x)).set("y", tenths(y));
    place.set("width", tenths(width)).set("height", tenths(height)).set("fill", colour)
}

fn line(x: f64, from: f64, to: f64, colour: &str, width: f64) -> Line {
    let line = Line::new().set("x1", tenths(x)).set("x2", tenths(x)).set("y1", tenths(from)).set("y2", tenths(to));
    line.set("stroke", colour).set("stroke-width", width)
}

fn words(text: &str, x: f64, y: f64, anchor: &str) -> Text {
    Text::new(text).set("x", tenths(x)).set("y", tenths(y)).set("text-anchor", anchor).set("fill", WORDS)
}

/// Nobody sees more.
fn tenths(place: f64) -> f64 {
    (place * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::figure::{Measured, Peer};

    fn figure(name: &str, unit: &str, ours: f64, theirs: Option<f64>, bar: Option<f64>) -> Figure {
        let peer = theirs.map(|value| Peer { operation: "x".into(), measured: Some(Measured::value(value)) });
        let (name, unit) = (name.to_owned(), unit.to_owned());
        Figure { name, unit, ours: Measured::value(ours), peer, bar, ..Figure::default() }
    }

    #[test]
    fn an_axis_covers_whole_decades_and_begins_no_later_than_at_one() {
        let axis = Axis::of([12.0, 4_300.0].into_iter());
        assert_eq!(axis, Axis { from: 0, to: 4 });
        assert_eq!((axis.place(1.0), axis.place(10_000.0), axis.place(0.0)), (LEFT, RIGHT, LEFT));
        assert!((axis.place(100.0) - f64::midpoint(LEFT, RIGHT)).abs() < 1e-9);
        assert_eq!(Axis::of([0.25, 3.0].into_iter()), Axis { from: -1, to: 1 });
        assert_eq!(Axis::of([0.0].into_iter()), Axis { from: 0, to: 1 });
    }

    #[test]
    fn each_unit_with_a_comparison_has_a_panel() {
        let figures = [
            figure("switch <there>", "instructions/op", 100.0, Some(3_400.0), Some(150.0)),
            figure("message", "instructions/op", 50.0, None, Some(65.0)),
            figure("nothing to compare", "instructions/op", 1.0, None, None),
            figure("no Linux", "KiB", 5.0, None, Some(6.0)),
            figure("wake", "ns", 9_000.0, Some(80_000.0), None),
        ];
        let drawn = draw(&figures, "6.1").unwrap();
        for text in ["switch &lt;there&gt;", "3,400", "message", "wake", "80,000", "Linux 6.1"] {
            assert!(drawn.contains(text), "{text}: {drawn}");
        }
        for text in ["nothing to compare", "no Linux", "KiB"] {
            assert!(!drawn.contains(text), "{text}: {drawn}");
        }
        assert_eq!(drawn.matches(MARK).count(), 3, "the legend's and two marks");
    }

    #[test]
    fn without_linux_there_is_no_chart() {
        assert_eq!(draw(&[figure("a", "ns", 1.0, None, Some(2.0))], "6.1"), None);
    }
}
