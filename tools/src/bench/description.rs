//! `tests/bench.toml`: which figures there are.

use anyhow::{Context, bail};
use serde::Deserialize;

use super::counts::Count;
use crate::workspace::Workspace;

/// Where the description stands, relative to the workspace.
const FILE: &str = "tests/bench.toml";

/// A figure to be measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    /// The benchmark's name on the command line.
    pub benchmark: String,
    /// What the figure is.
    pub name: String,
    /// The program that measures it, or is measured.
    pub program: String,
    /// Number of cores.
    pub smp: u32,
    /// Where the figure comes from.
    pub source: Source,
    /// What it must not exceed.
    pub bar: Option<f64>,
    /// What it must not exceed as long as it misses its bar.
    pub so_far: Option<f64>,
    /// How many times more the same has to take on Linux.
    pub times: Option<f64>,
    /// What it is called in the program that does the same on Linux.
    pub peer: Option<String>,
}

/// Where a figure comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// A marked region, counted from outside.
    Region {
        /// Its name.
        name: String,
        /// How many operations the first visit of each pair has.
        operations: f64,
        /// What is counted.
        count: Count,
        /// On which core, if not on all.
        core: Option<u64>,
    },
    /// What the program says, while instructions are its clock.
    Counted {
        /// The metric's name.
        metric: String,
    },
    /// What the program says, where cores run side by side and the host's clock is its clock.
    Timed {
        /// The metric's name.
        metric: String,
        /// Another one of the same run, by which it is divided.
        per: Option<String>,
    },
}

/// How a program is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Run {
    /// Once, counted from outside, by a clock that counts instructions.
    Counted,
    /// Several times, with a host thread for each core.
    Timed,
}

impl Wanted {
    /// How its program is run.
    pub fn run(&self) -> Run {
        match self.source {
            Source::Region { .. } | Source::Counted { .. } => Run::Counted,
            Source::Timed { .. } => Run::Timed,
        }
    }
}

/// The description as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Description {
    #[serde(default)]
    figures: Vec<Written>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    benchmark: String,
    name: String,
    program: String,
    smp: u32,
    region: Option<String>,
    operations: Option<u64>,
    count: Option<Count>,
    core: Option<u64>,
    metric: Option<String>,
    run: Option<Run>,
    per: Option<String>,
    bar: Option<f64>,
    so_far: Option<f64>,
    times: Option<f64>,
    peer: Option<String>,
}

/// Reads the description: the figures of the benchmark of this name, or of all.
///
/// # Errors
/// What is wrong with it, and with which figure.
pub fn read(workspace: &Workspace, name: Option<&str>) -> anyhow::Result<Vec<Wanted>> {
    let mut wanted = parse(&workspace.read(FILE)?).context(FILE)?;
    wanted.retain(|wanted| name.is_none_or(|name| wanted.benchmark == name));
    Ok(wanted)
}

fn parse(text: &str) -> anyhow::Result<Vec<Wanted>> {
    let description: Description = toml::from_str(text)?;
    let figures = description.figures.into_iter();
    let checked = figures.map(|written| {
        let name = format!("the figure `{}: {}`", written.benchmark, written.name);
        check(written).context(name)
    });
    checked.collect()
}

fn check(written: Written) -> anyhow::Result<Wanted> {
    let Written { benchmark, name, program, smp, region, operations, count, core, metric, run, per, .. } = written;
    let of_a_region = operations.is_some() || count.is_some() || core.is_some();
    let source = match (region, metric) {
        (Some(name), None) => {
            if run.is_some() || per.is_some() {
                bail!("`run` and `per` belong to a metric, not to a region");
            }
            let operations = operations.filter(|&operations| operations > 0).context("it needs its `operations`")?;
            Source::Region { name, operations: operations as f64, count: count.unwrap_or_default(), core }
        }
        (None, Some(_)) if of_a_region => bail!("`operations`, `count` and `core` belong to a region, not to a metric"),
        (None, Some(metric)) => match run.unwrap_or(Run::Counted) {
            Run::Timed => Source::Timed { metric, per },
            Run::Counted if per.is_some() => bail!("`per` belongs to a metric with `run = \"timed\"`"),
            Run::Counted => Source::Counted { metric },
        },
        (Some(_), Some(_)) | (None, None) => bail!("it is either of a `region` or a `metric`"),
    };
    let Written { bar, so_far, times, peer, .. } = written;
    if so_far.is_some_and(|so_far| bar.is_none_or(|bar| so_far <= bar)) {
        bail!("`so_far` is for a figure that misses its `bar`, so it is more than that");
    }
    if times.is_some() && peer.is_none() {
        bail!("`times` compares with a `peer`, and there is none");
    }
    if peer.is_some() && smp > 2 {
        bail!("a `peer` has one core or two, not {smp}");
    }
    Ok(Wanted { benchmark, name, program, smp, source, bar, so_far, times, peer })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(lines: &str) -> anyhow::Result<Wanted> {
        let text = format!("[[figures]]\nbenchmark = \"b\"\nname = \"n\"\nprogram = \"p\"\nsmp = 1\n{lines}");
        Ok(parse(&text)?.remove(0))
    }

    #[test]
    fn a_region_a_metric_and_a_timed_metric_are_told_apart() {
        let region =
            figure("region = \"r\"\noperations = 1_000\ncount = \"locked\"\nbar = 2.25\npeer = \"q\"").unwrap();
        let source = Source::Region { name: "r".into(), operations: 1000.0, count: Count::Locked, core: None };
        assert_eq!((region.source.clone(), region.run()), (source, Run::Counted));
        assert_eq!((region.bar, region.times, region.peer.as_deref()), (Some(2.25), None, Some("q")));
        let metric = figure("metric = \"m\"").unwrap();
        assert_eq!(metric.source, Source::Counted { metric: "m".into() });
        let timed = figure("metric = \"m\"\nrun = \"timed\"\nper = \"k\"\npeer = \"q\"\ntimes = 2.5").unwrap();
        assert_eq!(timed.source, Source::Timed { metric: "m".into(), per: Some("k".into()) });
        assert_eq!((timed.run(), timed.times), (Run::Timed, Some(2.5)));
    }

    #[test]
    fn what_does_not_go_together_is_refused_by_name() {
        for (lines, why) in [
            ("", "either of a `region` or a `metric`"),
            ("region = \"r\"\nmetric = \"m\"\noperations = 1", "either of a `region` or a `metric`"),
            ("region = \"r\"", "needs its `operations`"),
            ("region = \"r\"\noperations = 0", "needs its `operations`"),
            ("region = \"r\"\noperations = 1\nrun = \"timed\"", "belong to a metric"),
            ("metric = \"m\"\ncore = 1", "belong to a region"),
            ("metric = \"m\"\nper = \"k\"", "run = \"timed\""),
            ("metric = \"m\"\ntimes = 2.0", "there is none"),
            ("metric = \"m\"\nwhat = 2.0", "unknown field"),
        ] {
            let error = format!("{:#}", figure(lines).unwrap_err());
            assert!(error.contains(why), "{error}");
            assert!(error.contains("b: n") || error.contains("what"), "{error}");
        }
        let error = parse("[[figures]]\nbenchmark=\"b\"\nname=\"n\"\nprogram=\"p\"\nsmp=4\nmetric=\"m\"\npeer=\"q\"");
        assert!(format!("{:#}", error.unwrap_err()).contains("one core or two"));
    }
}
