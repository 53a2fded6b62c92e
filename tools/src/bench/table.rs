//! Figures as a table.

use std::fmt;

use super::figure::Figure;
use super::number::{number, rounded};

/// All figures, and beside whom they stand.
pub struct Table<'a> {
    /// The lines.
    pub figures: &'a [Figure],
    /// Which Linux that is, or why there is none.
    pub peer: Result<&'a str, &'a str>,
}

/// The columns' heads. What is no number stands left.
const HEADS: [&str; COLUMNS] = ["operation", "unit", "ours", "peer", "ratio", "bar", "", ""];
const COLUMNS: usize = 8;
const LEFT: [usize; 4] = [0, 1, 6, 7];

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = vec![HEADS.map(str::to_owned)];
        lines.extend(self.figures.iter().map(line));
        let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
        let widths: [usize; COLUMNS] = std::array::from_fn(width);
        for line in &lines {
            let mut text = String::new();
            for (column, (cell, width)) in line.iter().zip(widths).enumerate() {
                text += &if LEFT.contains(&column) { format!("{cell:width$}  ") } else { format!("{cell:>width$}  ") };
            }
            writeln!(f, "{}", text.trim_end())?;
        }
        let mut peers = self.figures.iter().filter_map(|figure| figure.peer.as_ref());
        match self.peer {
            Ok(name) => writeln!(f, "The peer is Linux {name} on the same emulated machine, or the crate named."),
            Err(why) if peers.any(|peer| peer.measured.is_none()) => writeln!(f, "Linux was not measured: {why}"),
            Err(_) => Ok(()),
        }
    }
}

fn line(figure: &Figure) -> [String; COLUMNS] {
    let verdict = match figure.met() {
        None => "",
        Some(true) => "met",
        Some(false) => "MISSED",
    };
    let theirs = match &figure.peer {
        None => String::new(),
        Some(peer) => peer.measured.as_ref().map_or("?".to_owned(), |measured| rounded(measured.value)),
    };
    let bars = [figure.bar.map(number), figure.times.map(|times| format!("{} x", number(times)))];
    [
        format!("{}: {}", figure.benchmark, figure.name),
        figure.unit.clone(),
        if figure.deterministic { number(figure.ours.value) } else { rounded(figure.ours.value) },
        theirs,
        figure.ratio().map(|ratio| format!("{} x", rounded(ratio))).unwrap_or_default(),
        bars.into_iter().flatten().collect::<Vec<_>>().join(", "),
        verdict.to_owned(),
        note(figure),
    ]
}

/// What stands beside the numbers.
fn note(figure: &Figure) -> String {
    let vector = figure.ours.vector.map(|vector| vector.to_string());
    let quartiles = |of: &[f64; 2]| format!("{} to {}", rounded(of[0]), rounded(of[1]));
    let ours = figure.ours.quartiles.as_ref().map(|ours| format!("quartiles {}", quartiles(ours)));
    let measured = figure.peer.as_ref().and_then(|peer| peer.measured.as_ref());
    let theirs = measured.and_then(|measured| measured.quartiles.as_ref());
    let theirs = theirs.map(|theirs| format!("the peer's {}", quartiles(theirs)));
    let note = (!figure.note.is_empty()).then(|| figure.note.clone());
    [vector, ours, theirs, note].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::figure::{Measured, Peer};

    fn figure(value: f64, bar: Option<f64>, theirs: Option<Option<f64>>) -> Figure {
        let peer = theirs.map(|theirs| Peer { operation: "x".into(), measured: theirs.map(Measured::value) });
        let (benchmark, name, unit) = ("boot".to_owned(), "one core".to_owned(), "instructions".to_owned());
        Figure {
            benchmark,
            name,
            unit,
            ours: Measured::value(value),
            bar,
            peer,
            deterministic: true,
            ..Figure::default()
        }
    }

    #[test]
    fn a_line_says_ours_linuxs_the_ratio_and_whether_the_bar_is_met() {
        let figures = [
            figure(40.0, Some(40.0), Some(Some(1_000.0))),
            figure(41.5, Some(40.0), Some(None)),
            Figure { note: "by hand".into(), ..figure(1.0, None, None) },
            Figure { times: Some(2.5), ..figure(10.0, None, Some(Some(30.0))) },
        ];
        let table = Table { figures: &figures, peer: Ok("6.1") }.to_string();
        let lines: Vec<_> = table.lines().collect();
        assert_eq!(lines[0], "operation       unit          ours   peer  ratio    bar");
        assert_eq!(lines[1], "boot: one core  instructions    40  1,000   25 x     40  met");
        assert_eq!(lines[2], "boot: one core  instructions  41.5      ?            40  MISSED");
        assert_eq!(lines[3], "boot: one core  instructions     1                               by hand");
        assert_eq!(lines[4], "boot: one core  instructions    10     30    3 x  2.5 x  met");
        assert_eq!(lines[5], "The peer is Linux 6.1 on the same emulated machine, or the crate named.");
    }

    #[test]
    fn why_there_is_no_linux_is_said_if_anybody_misses_it() {
        let table = |theirs| Table { figures: &[figure(1.0, None, theirs)], peer: Err("no kernel") }.to_string();
        assert!(table(Some(None)).ends_with("Linux was not measured: no kernel\n"));
        assert!(!table(None).contains("kernel"));
    }

    #[test]
    fn the_spread_of_both_is_shown() {
        let spread = |from, to| Measured { quartiles: Some([from, to]), ..Measured::value(from) };
        let peer = Some(Peer { operation: "x".into(), measured: Some(spread(1_000.0, 1_100.0)) });
        let figure = Figure { ours: spread(10.0, 12.0), peer, ..Figure::default() };
        assert_eq!(note(&figure), "quartiles 10 to 12, the peer's 1,000 to 1,100");
    }
}
