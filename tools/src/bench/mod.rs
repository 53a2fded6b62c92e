//! `cargo roost bench`: figures, each beside its bar.
//!
//! What can be counted is counted, from outside, by a plugin in QEMU ([`plugin`], [`counted`]): the counts are
//! the same on every run, on every host, and whatever runs beside. What a program has to be written for is
//! data and a program with marked regions ([`regions`]); what it takes to boot is measured on the example that
//! everybody starts from ([`boot`]).

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};

mod boot;
mod counted;
mod counts;
mod figure;
mod plugin;
mod regions;

use figure::Table;

use crate::workspace::Workspace;

/// Measure, and hold every figure against its bar.
///
/// Fails if a figure misses its bar that another run would reproduce to the digit.
#[derive(clap::Args)]
pub struct Args {
    /// `boot`, or a benchmark of tests/bench.toml [default: all].
    name: Option<String>,

    /// Write the figures to this file as JSON, too.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Runs the subcommand.
///
/// # Errors
/// If a program does not build or run, or there is no benchmark of that name.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let workspace = Workspace::find()?;
    let name = args.name.as_deref();
    let mut figures = Vec::new();
    if name.is_none_or(|name| name == boot::NAME) {
        figures.extend(boot::run(&workspace)?);
    }
    figures.extend(regions::run(&workspace, name)?);
    if figures.is_empty() {
        bail!("there is no benchmark `{}`", name.unwrap_or_default());
    }
    print!("{}", Table(&figures));
    if let Some(file) = &args.json {
        let text = serde_json::to_string_pretty(&figures)?;
        std::fs::write(file, text + "\n").with_context(|| format!("cannot write {}", file.display()))?;
    }
    let missed = figures.iter().filter(|figure| figure.fails()).count();
    Ok(if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
