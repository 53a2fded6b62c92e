//! Benchmarks that are programs with marked regions: `tests/bench.toml`.
//!
//! A program visits each of its regions twice, with N operations and then with 2N. The difference, divided
//! by N, is what an operation costs: what is needed to get there and to count cancels out.

use std::collections::BTreeMap;

use anyhow::{Context, bail};
use serde::Deserialize;

use super::counted::{self, Regions};
use super::counts::{Count, Visit};
use super::figure::Figure;
use crate::build::{self, Package, Profile, Request, Target};
use crate::qemu::Config;
use crate::workspace::Workspace;

/// Where the description stands, relative to the workspace.
const FILE: &str = "tests/bench.toml";
/// The package of the programs.
const PACKAGE: &str = "tests/guest";

/// The description.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Description {
    #[serde(default)]
    figures: Vec<Wanted>,
}

/// A figure to be measured.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// The benchmark's name on the command line.
    benchmark: String,
    /// What the figure is.
    name: String,
    /// The program that has the region.
    program: String,
    /// Number of cores.
    smp: u32,
    /// The region.
    region: String,
    /// N.
    operations: u64,
    /// Which count.
    count: Count,
    /// What an operation must not exceed.
    bar: Option<f64>,
}

/// Measures the figures of the benchmark of this name, or of all.
///
/// # Errors
/// If a program does not build or does not run to its end.
pub fn run(workspace: &Workspace, name: Option<&str>) -> anyhow::Result<Vec<Figure>> {
    let description: Description = toml::from_str(&workspace.read(FILE)?)?;
    let wanted = description.figures.into_iter().filter(|wanted| name.is_none_or(|name| wanted.benchmark == name));
    // One run serves all figures of a program on the same machine.
    let mut runs: BTreeMap<(String, u32), Vec<Wanted>> = BTreeMap::new();
    for wanted in wanted {
        runs.entry((wanted.program.clone(), wanted.smp)).or_default().push(wanted);
    }
    let mut figures = Vec::new();
    for ((program, smp), wanted) in runs {
        let package = Package::open(&workspace.root.join(PACKAGE))?;
        let (target, profile) = (Target::Bin(program), Profile::Release);
        let image = build::build(&Request { target, profile, ..Request::new(package) })?;
        let config = Config { smp, ..Config::default() };
        let counted = counted::run(&workspace.target, &image, &config, Regions::Marked)?;
        for wanted in wanted {
            figures.push(figure(&wanted, &counted.visits)?);
        }
    }
    Ok(figures)
}

fn figure(wanted: &Wanted, visits: &[Visit]) -> anyhow::Result<Figure> {
    let mut mine = visits.iter().filter(|visit| visit.region == wanted.region);
    let context = || format!("{} does not visit the region {} twice", wanted.program, wanted.region);
    let (once, twice) = (mine.next().with_context(context)?, mine.next().with_context(context)?);
    if mine.next().is_some() {
        bail!("{} visits the region {} more than twice", wanted.program, wanted.region);
    }
    let slope = |count| per_operation(once.get(count), twice.get(count), wanted.operations);
    let note = [(Count::Instructions, "instructions"), (Count::Locked, "locked"), (Count::Serialising, "serialising")]
        .into_iter()
        .filter(|&(count, _)| count != wanted.count)
        .map(|(count, name)| format!("{} {name}", super::figure::number(slope(count))))
        .collect::<Vec<_>>()
        .join(", ");
    let unit = match wanted.count {
        Count::Instructions => "instructions/op",
        Count::Locked => "locked/op",
        Count::LockedOnShared => "locked, shared/op",
        Count::Serialising => "serialising/op",
    };
    Ok(Figure {
        benchmark: wanted.benchmark.clone(),
        name: format!("{}, {}", wanted.name, cores(wanted.smp)),
        value: slope(wanted.count),
        unit: unit.to_owned(),
        bar: wanted.bar,
        deterministic: true,
        note,
    })
}

/// How a number of cores is written.
pub fn cores(smp: u32) -> String {
    if smp == 1 { "1 core".to_owned() } else { format!("{smp} cores") }
}

fn per_operation(once: u64, twice: u64, operations: u64) -> f64 {
    (twice as f64 - once as f64) / operations as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted() -> Wanted {
        Wanted {
            benchmark: "alloc".to_owned(),
            name: "x".to_owned(),
            program: "bench_alloc".to_owned(),
            smp: 1,
            region: "r".to_owned(),
            operations: 100,
            count: Count::Instructions,
            bar: Some(40.0),
        }
    }

    fn visit(region: &str, instructions: u64) -> Visit {
        Visit { region: region.to_owned(), instructions, ..Visit::default() }
    }

    #[test]
    fn what_both_visits_share_cancels_out() {
        let visits = [visit("r", 3_777), visit("other", 1), visit("r", 7_377)];
        let figure = figure(&wanted(), &visits).unwrap();
        assert_eq!((figure.value, figure.met()), (36.0, Some(true)));
    }

    #[test]
    fn a_region_visited_another_number_of_times_is_an_error() {
        for visits in [vec![visit("r", 1)], vec![visit("r", 1), visit("r", 2), visit("r", 3)], vec![]] {
            assert!(figure(&wanted(), &visits).is_err());
        }
    }
}
