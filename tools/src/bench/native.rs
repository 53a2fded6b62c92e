//! `cargo roost bench native`: what portable parts cost on the host's own processor, beside crates that one would use
//! instead. The program is `tests/native`, which times both in turn.

use anyhow::{Context, bail};

use super::figure::{Figure, Measured, Peer};
use super::timed::quartiles;
use crate::workspace::Workspace;

/// The name on the command line.
pub const NAME: &str = "native";
/// The program's package, and its binary.
const PACKAGE: &str = "native";

/// Measures all figures.
///
/// # Errors
/// If the program does not build or fails.
pub fn run(workspace: &Workspace) -> anyhow::Result<Vec<Figure>> {
    eprintln!("timing {PACKAGE} on this processor");
    // An invocation of its own: the features that it wants of libkern are no image's.
    let mut command = workspace.cargo();
    command.args(["run", "--quiet", "--release", "--package", PACKAGE]);
    let output = command.output().context("cannot run cargo")?;
    if !output.status.success() {
        bail!("{PACKAGE} failed ({}):\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    parse(&String::from_utf8(output.stdout)?)
}

/// Lines of name, peer, our times and theirs, with tabs between.
fn parse(text: &str) -> anyhow::Result<Vec<Figure>> {
    let figure = |line: &str| {
        let columns: Vec<_> = line.split('\t').collect();
        let [name, peer, ours, theirs] = columns[..] else { bail!("{PACKAGE} wrote `{line}`") };
        let measured = |times| median(times).with_context(|| format!("{PACKAGE} wrote `{line}`"));
        Ok(Figure {
            benchmark: NAME.to_owned(),
            name: format!("{name} ({peer})"),
            unit: "ns, native".to_owned(),
            ours: measured(ours)?,
            peer: Some(Peer { operation: peer.to_owned(), measured: Some(measured(theirs)?) }),
            ..Figure::default()
        })
    };
    text.lines().map(figure).collect()
}

/// The median of some numbers; `None` if there are none or they are no numbers.
fn median(times: &str) -> Option<Measured> {
    let times: Result<Vec<f64>, _> = times.split_whitespace().map(str::parse).collect();
    let times = times.ok().filter(|times| !times.is_empty())?;
    let [low, value, high] = quartiles(times);
    Some(Measured { value, vector: None, quartiles: Some([low, high]) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_figure_beside_its_peer() {
        let figures = parse("switch\tcorosensei\t4 5 9\t7 8 8.5\ntimer\tstd\t1\t2\n").unwrap();
        assert_eq!(figures.len(), 2);
        let figure = &figures[0];
        assert_eq!((figure.name.as_str(), figure.ours.value, figure.ratio()), ("switch (corosensei)", 5.0, Some(1.6)));
        assert_eq!(figure.ours.quartiles, Some([4.0, 5.0]));
        assert!(!figure.deterministic && !figure.fails());
    }

    #[test]
    fn other_lines_are_refused() {
        for line in ["", "a\tb\t1", "a\tb\t1\t", "a\tb\t1\tx", "a\tb\t1\t2\t3"] {
            assert!(parse(&format!("{line}\n")).unwrap_err().to_string().contains("wrote"), "{line}");
        }
    }
}
