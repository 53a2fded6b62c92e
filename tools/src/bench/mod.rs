//! `cargo roost bench`: figures, each beside its bar.
//!
//! What can be counted is counted, from outside, by a plugin in QEMU ([`plugin`], [`counted`]): the counts are
//! the same on every run, on every host, and whatever runs beside. What only a clock can tell is run several times,
//! in turn with what it is compared with ([`timed`]). What a program has to be written for is data and a program
//! ([`description`], [`measure`]); what it takes to boot is measured on the example that everybody starts from
//! ([`boot`]). Beside ours stands what the same takes on Linux in the same emulator ([`peer`]); portable parts are timed on
//! the host, too, beside other crates ([`native`]).

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, anyhow, bail};
use serde::Serialize;

mod boot;
mod chart;
mod counted;
mod counts;
mod description;
mod figure;
mod guest;
mod measure;
mod native;
mod number;
mod peer;
mod plugin;
mod slope;
mod table;
mod timed;

use figure::Figure;
use peer::Peer;
use table::Table;

use crate::workspace::Workspace;

/// Measure, and hold every figure against its bar.
///
/// Fails if a figure misses its bar that another run would reproduce to the digit.
#[derive(clap::Args)]
pub struct Args {
    /// `boot`, `native`, or a benchmark of tests/bench.toml [default: all].
    name: Option<String>,

    /// Write the figures to this file as JSON, too.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    /// Compare with this Linux kernel [default: the one that `cargo roost setup` fetched].
    #[arg(long, value_name = "FILE")]
    linux: Option<PathBuf>,
}

/// What is written as JSON.
#[derive(Serialize)]
struct Report<'a> {
    /// The version of Linux, if there was one.
    linux: Option<&'a str>,
    figures: &'a [Figure],
}

/// Where the chart is drawn, relative to cargo's target directory.
const CHART: &str = "roost/bench.svg";

/// Runs the subcommand.
///
/// # Errors
/// If a program does not build or run, or there is no benchmark of that name.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let workspace = Workspace::find()?;
    let name = args.name.as_deref();
    let wanted = description::read(&workspace, name)?;
    let mut figures = Vec::new();
    if name.is_none_or(|name| name == boot::NAME) {
        figures.extend(boot::run(&workspace)?);
    }
    let mut peer = match wanted.iter().any(|wanted| wanted.peer.is_some()) {
        true => Peer::prepare(&workspace, args.linux.as_deref()),
        false => Err(anyhow!("nothing is to be compared with it")),
    };
    figures.extend(measure::run(&workspace, &wanted, &mut peer)?);
    if name.is_none_or(|name| name == native::NAME) {
        figures.extend(native::run(&workspace)?);
    }
    if figures.is_empty() {
        bail!("there is no benchmark `{}`", name.unwrap_or_default());
    }
    let why_not = peer.as_ref().err().map(|error| format!("{error:#}"));
    let peer = peer.as_ref().map(Peer::version).map_err(|_| why_not.as_deref().unwrap_or_default());
    print!("{}", Table { figures: &figures, peer });
    if let Some(chart) = chart::draw(&figures, peer.unwrap_or_default()) {
        let file = workspace.target.join(CHART);
        std::fs::write(&file, chart).with_context(|| format!("cannot write {}", file.display()))?;
        println!("The chart is {}.", file.display());
    }
    if let Some(file) = &args.json {
        let text = serde_json::to_string_pretty(&Report { linux: peer.ok(), figures: &figures })?;
        std::fs::write(file, text + "\n").with_context(|| format!("cannot write {}", file.display()))?;
    }
    let missed = figures.iter().filter(|figure| figure.fails()).count();
    Ok(if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
