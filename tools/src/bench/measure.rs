//! Measures what `tests/bench.toml` wants, and the same on Linux.

use std::collections::BTreeMap;

use anyhow::Context;

use super::counted::{self, Marks};
use super::counts::{Count, Visit};
use super::description::{Run, Source, Wanted};
use super::figure::{Figure, Measured, Peer as Beside, cores};
use super::guest::Metrics;
use super::peer::Peer;
use super::slope::slope;
use super::timed::{self, RUNS, quartiles};
use crate::build::{self, Image, Package, Profile, Request, Target};
use crate::qemu::Config;
use crate::test::image_file::ImageFile;
use crate::workspace::Workspace;

/// The package of the programs.
const PACKAGE: &str = "tests/guest";

/// A Linux, or why there is none.
pub type MaybePeer = anyhow::Result<Peer>;

/// What the runs of a program came to.
#[derive(Default)]
struct Results {
    visits: Vec<Visit>,
    /// One for each run.
    metrics: Vec<Metrics>,
}

/// Measures the figures, in their order. What goes wrong with Linux leaves `peer` as the reason, and ours stand alone.
///
/// # Errors
/// If a program of ours does not build or does not run to its end.
pub fn run(workspace: &Workspace, wanted: &[Wanted], peer: &mut MaybePeer) -> anyhow::Result<Vec<Figure>> {
    // One run serves all figures of a program on the same machine.
    let mut results: BTreeMap<(Run, &str, u32), (Results, Results)> = BTreeMap::new();
    for figure in wanted {
        let key = (figure.run(), figure.program.as_str(), figure.smp);
        if results.contains_key(&key) {
            continue;
        }
        let of_this_run = |other: &&Wanted| (other.run(), other.program.as_str(), other.smp) == key;
        let beside = wanted.iter().filter(of_this_run).any(|other| other.peer.is_some());
        let image = built(workspace, &figure.program)?;
        let both = match figure.run() {
            Run::Counted => counted(workspace, &image, figure.smp, beside.then_some(&mut *peer))?,
            Run::Timed => timed(&image, figure.smp, beside.then_some(&mut *peer))?,
        };
        results.insert(key, both);
    }
    let figures = wanted.iter().map(|figure| {
        let (ours, theirs) = &results[&(figure.run(), figure.program.as_str(), figure.smp)];
        self::figure(figure, ours, theirs)
    });
    figures.collect()
}

fn built(workspace: &Workspace, program: &str) -> anyhow::Result<Image> {
    let package = Package::open(&workspace.root.join(PACKAGE))?;
    let target = Target::Bin(program.to_owned());
    build::build(&Request { target, profile: Profile::Release, ..Request::new(package) })
}

/// Runs `act` with the peer if there is one, and forgets the peer for the reason if that fails.
fn with_peer<T>(peer: &mut Option<&mut MaybePeer>, act: impl FnOnce(&mut Peer) -> anyhow::Result<T>) -> Option<T> {
    let place = peer.as_mut()?;
    match act(place.as_mut().ok()?) {
        Ok(result) => Some(result),
        Err(error) => {
            **place = Err(error);
            None
        }
    }
}

fn counted(
    workspace: &Workspace,
    image: &Image,
    smp: u32,
    mut peer: Option<&mut MaybePeer>,
) -> anyhow::Result<(Results, Results)> {
    let config = Config { smp, ..Config::default() };
    let marks = Marks::regions(&ImageFile::open(&image.path)?);
    eprintln!("counting {}, {}", image.name, cores(smp));
    let ours = counted::run(&workspace.target, image, &config, &marks)?;
    let theirs = with_peer(&mut peer, |peer| {
        let counted = peer.counted(&workspace.target, smp)?;
        Ok(Results { visits: counted.visits.clone(), metrics: vec![counted.metrics.clone()] })
    });
    Ok((Results { visits: ours.visits, metrics: vec![ours.metrics] }, theirs.unwrap_or_default()))
}

fn timed(image: &Image, smp: u32, mut peer: Option<&mut MaybePeer>) -> anyhow::Result<(Results, Results)> {
    let config = Config { smp, ..Config::default() };
    let (mut ours, mut theirs) = (Results::default(), Results::default());
    eprintln!("timing {}, {}, {RUNS} times", image.name, cores(smp));
    for _ in 0..RUNS {
        ours.metrics.push(timed::run(image, &config)?);
        theirs.metrics.extend(with_peer(&mut peer, |peer| peer.timed()));
    }
    Ok((ours, theirs))
}

fn figure(wanted: &Wanted, ours: &Results, theirs: &Results) -> anyhow::Result<Figure> {
    let context = || format!("the figure `{}: {}` of {}", wanted.benchmark, wanted.name, wanted.program);
    let (measured, unit) = evaluate(&wanted.source, ours).with_context(context)?;
    let peer = wanted.peer.as_ref().map(|operation| -> anyhow::Result<_> {
        let is_there = !theirs.metrics.is_empty();
        let measured = is_there.then(|| theirs_of(&wanted.source, operation, theirs)).transpose();
        Ok(Beside { operation: operation.clone(), measured: measured.with_context(context)? })
    });
    Ok(Figure {
        benchmark: wanted.benchmark.clone(),
        name: format!("{}, {}", wanted.name, cores(wanted.smp)),
        unit,
        ours: measured,
        peer: peer.transpose()?,
        bar: wanted.bar,
        so_far: wanted.so_far,
        times: wanted.times,
        deterministic: wanted.run() == Run::Counted,
        note: String::new(),
    })
}

/// The figure from `source`, and its unit.
fn evaluate(source: &Source, results: &Results) -> anyhow::Result<(Measured, String)> {
    match source {
        Source::Region { name, operations, count, core } => {
            Ok((of_region(results, name, *operations, *count, *core)?, count.unit().to_owned()))
        }
        Source::Counted { metric } => of_metric(results, metric, None),
        Source::Timed { metric, per } => of_metric(results, metric, per.as_deref()),
    }
}

/// The same of Linux's `operation`, whose program says how often it does what it does.
fn theirs_of(source: &Source, operation: &str, theirs: &Results) -> anyhow::Result<Measured> {
    let is_region = theirs.visits.iter().any(|visit| visit.region == operation);
    match source {
        Source::Region { count, core, .. } if is_region => {
            let (operations, _) = of_metric(theirs, operation, None)?;
            of_region(theirs, operation, operations.value, *count, *core)
        }
        _ => Ok(of_metric(theirs, operation, None)?.0),
    }
}

fn of_region(
    results: &Results,
    name: &str,
    operations: f64,
    count: Count,
    core: Option<u64>,
) -> anyhow::Result<Measured> {
    let vector = slope(&results.visits, name, operations, core)?;
    Ok(Measured { value: vector.get(count), vector: Some(vector), quartiles: None })
}

/// The median of a metric over all runs.
fn of_metric(results: &Results, name: &str, per: Option<&str>) -> anyhow::Result<(Measured, String)> {
    let said = |metrics: &Metrics, name: &str| {
        metrics.get(name).cloned().with_context(|| format!("nothing was said about {name}"))
    };
    let mut values = Vec::new();
    let mut unit = String::new();
    for metrics in &results.metrics {
        let (mut value, its_unit) = said(metrics, name)?;
        unit = its_unit;
        if let Some(per) = per {
            value /= said(metrics, per)?.0;
            unit = format!("x {per}");
        }
        values.push(value);
    }
    let several = values.len() > 1;
    let [low, value, high] = quartiles(values);
    Ok((Measured { value, vector: None, quartiles: several.then_some([low, high]) }, unit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::counts::Vector;

    fn visit(region: &str, plain: f64) -> Visit {
        let all = Vector { plain, ..Vector::default() };
        Visit { region: region.to_owned(), all, cores: [(0, all)].into() }
    }

    fn said(pairs: &[(&str, f64)]) -> Metrics {
        pairs.iter().map(|&(name, value)| (name.to_owned(), (value, "ns".to_owned()))).collect()
    }

    fn wanted(source: Source) -> Wanted {
        Wanted {
            benchmark: "b".into(),
            name: "n".into(),
            program: "p".into(),
            smp: 2,
            source,
            bar: None,
            so_far: None,
            times: None,
            peer: Some("q".into()),
        }
    }

    fn region() -> Source {
        Source::Region { name: "r".into(), operations: 10.0, count: Count::Instructions, core: None }
    }

    #[test]
    fn a_region_stands_beside_linuxs_region_of_as_many_operations_as_it_says() {
        let ours = Results { visits: vec![visit("r", 50.0), visit("r", 90.0)], metrics: vec![said(&[])] };
        let theirs = Results { visits: vec![visit("q", 500.0), visit("q", 900.0)], metrics: vec![said(&[("q", 5.0)])] };
        let figure = figure(&wanted(region()), &ours, &theirs).unwrap();
        assert_eq!((figure.ours.value, figure.ratio(), figure.name.as_str()), (4.0, Some(20.0), "n, 2 cores"));
        assert!(figure.deterministic && figure.peer.unwrap().measured.unwrap().vector.is_some());
    }

    #[test]
    fn without_linux_ours_stands_alone() {
        let ours = Results { visits: vec![visit("r", 50.0), visit("r", 90.0)], metrics: vec![said(&[])] };
        let figure = figure(&wanted(region()), &ours, &Results::default()).unwrap();
        assert_eq!((figure.ours.value, figure.ratio()), (4.0, None));
        assert_eq!(figure.peer.unwrap().measured, None);
    }

    #[test]
    fn timed_metrics_are_medians_and_may_be_divided_by_one_of_the_same_run() {
        let runs = [(8.0, 2.0), (9.0, 3.0), (40.0, 4.0)].map(|(ours, line)| said(&[("m", ours), ("line", line)]));
        let ours = Results { visits: Vec::new(), metrics: runs.to_vec() };
        let source = |per: Option<&str>| Source::Timed { metric: "m".into(), per: per.map(str::to_owned) };
        let (plain, unit) = evaluate(&source(None), &ours).unwrap();
        assert_eq!((plain.value, plain.quartiles, unit.as_str()), (9.0, Some([8.0, 9.0]), "ns"));
        let (divided, unit) = evaluate(&source(Some("line")), &ours).unwrap();
        assert_eq!((divided.value, unit.as_str()), (4.0, "x line"));
        let error = evaluate(&source(Some("other")), &ours).unwrap_err();
        assert_eq!(error.to_string(), "nothing was said about other");
    }
}
