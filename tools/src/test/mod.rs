//! `cargo roost test`: everything that can be tested is.
//!
//! A tier is a place where tests run ([`tier`]); whatever ran becomes rows ([`report`]), and the rows become
//! the progress on the terminal, the report, the proofs of requirements and the last line. What boots is data:
//! `tests/matrix.toml` says on which machines ([`matrix`]), `tests/fatal.toml` what must die and how
//! ([`fatal`]), `tests/refused` what must not compile ([`refused`]), `tests/mutants/` which broken protocols a
//! test must notice ([`mutants`]). Nothing here knows a single suite by name.
//!
//! Silence is a failure everywhere: a suite that does not reach its end marker, a case that was announced and
//! has no result, a run in which nothing ran.

use std::path::PathBuf;
use std::process::ExitCode;
use std::thread::available_parallelism;
use std::time::Duration;

mod cargo_output;
mod configuration;
mod console;
mod context;
mod fatal;
mod fuzz;
mod guest;
mod host;
pub mod image_file;
mod matrix;
mod mutants;
mod pool;
mod progress;
mod proofs;
mod refused;
pub mod report;
pub mod requirements;
mod storm;
pub mod tier;

use anyhow::bail;
use context::{Boots, Context};
use pool::Job;
use progress::Progress;
use proofs::Proofs;
use report::{Outcome, Report, Row};
use tier::Tier;

use crate::qemu;

/// Where each run leaves its report, in the target directory.
const LAST_REPORT: &str = "roost/test-report.json";

/// Run the tests: on the host, as models, and in booted images.
///
/// Without --tier, all tiers but `long` run. The last line is `N passed, N failed`; the exit status says
/// failure if anything failed or if nothing ran.
#[derive(clap::Args)]
pub struct Args {
    /// Only cases whose name contains this.
    filter: Option<String>,

    /// Run this tier; may be given several times.
    #[arg(long = "tier", value_name = "TIER")]
    tiers: Vec<Tier>,

    /// Boot only on this machine of the matrix, by the name that the report gives it, as in 'q35 smp=2 xapic'.
    #[arg(long, value_name = "MACHINE")]
    on: Option<String>,

    /// End a case that boots after so many seconds, where it may usually take longer.
    #[arg(long, value_name = "S")]
    limit: Option<u64>,

    /// List the cases instead of running them.
    #[arg(long)]
    list: bool,

    /// Write the report, a row per case and configuration, to this file as JSON, too.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,

    /// Print every requirement with the cases that passed for it: after the run, or, with a file, from the
    /// report of an earlier one.
    #[arg(long, value_name = "REPORT", num_args = 0..=1, require_equals = true)]
    ids: Option<Option<PathBuf>>,
}

/// Runs the subcommand.
///
/// # Errors
/// If the description of the tests is not valid, or a program that they need cannot be had. A test that
/// fails is no error, but an exit status.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let tiers = if args.tiers.is_empty() { Tier::DEFAULT.to_vec() } else { args.tiers };
    let boots = Boots { on: args.on, limit: args.limit.map(Duration::from_secs) };
    let context = Context::load(args.filter, boots, tiers)?;
    if let Some(Some(file)) = &args.ids {
        print!("{}", context.requirements.proofs(&Report::read(file)?.rows));
        return Ok(ExitCode::SUCCESS);
    }
    if args.list {
        for (tier, name) in list(&context)? {
            println!("{tier:5} {name}");
        }
        return Ok(ExitCode::SUCCESS);
    }

    let progress = Progress::new();
    let mut report = Report::default();
    let ran = run_tiers(&context, &progress, &mut report);
    progress.finish();
    report.write(&context.workspace.target.join(LAST_REPORT))?;
    if let Some(file) = &args.report {
        report.write(file)?;
    }
    ran?;
    if args.ids.is_some() {
        print!("{}", context.requirements.proofs(&report.rows));
    }
    for row in report.rows.iter().filter(|row| row.outcome == Outcome::Failed) {
        println!("{row}");
    }
    println!("{}", report.summary());
    Ok(if report.succeeded() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs what the context asks for; every row goes to the progress and to the report as it comes.
fn run_tiers(context: &Context, progress: &Progress, report: &mut Report) -> anyhow::Result<()> {
    let filter = context.filter.as_deref();
    let mut each = |row: Row| {
        progress.row(&row);
        report.rows.push(row);
    };
    cargo_tiers(context, progress, &mut each)?;

    progress.hide();
    let jobs = build(context, &|what| progress.stage(what), &mut each)?;
    progress.show();
    if !jobs.is_empty() {
        progress.stage(&format!("{} boots and programs", jobs.len()));
    }
    let cores = available_parallelism().map_or(1, Into::into);
    pool::run(cores, jobs, |rows| rows.into_iter().for_each(&mut each));
    if qemu::interrupted() {
        bail!("interrupted");
    }
    if context.runs(Tier::Long) {
        progress.stage("mutants");
        mutants::run(&context.workspace, filter, &mut each)?;
    }
    Ok(())
}

/// Builds what boots and what fuzzes, and returns what there is to run.
fn build<'a>(
    context: &'a Context,
    stage: &dyn Fn(&str),
    each: &mut dyn FnMut(Row),
) -> anyhow::Result<Vec<Job<'a, Vec<Row>>>> {
    let mut jobs = Vec::new();
    if context.runs(Tier::Guest) || context.runs(Tier::Long) {
        jobs.extend(guest::jobs(context, stage, each)?);
    }
    if context.runs(Tier::Guest) {
        jobs.extend(fatal::jobs(context, stage, each)?);
    }
    if context.runs(Tier::Long) {
        jobs.extend(fuzz::jobs(context, stage, each)?);
    }
    Ok(jobs)
}

/// The tiers that cargo runs. Which requirements their tests prove is on a list of its own.
fn cargo_tiers(context: &Context, progress: &Progress, each: &mut dyn FnMut(Row)) -> anyhow::Result<()> {
    let mut proofs = Proofs::read(context)?;
    let filter = context.filter.as_deref();
    let mut proven = |row: Row| {
        if context.wants(&row.name) || row.outcome == Outcome::Failed {
            each(Row { ids: proofs.of(&row.name), ..row });
        }
    };
    if context.runs(Tier::Host) {
        progress.stage("host tests");
        host::host(&context.workspace, filter, &mut proven)?;
        refused::run(context, &mut proven)?;
    }
    if context.runs(Tier::Model) {
        progress.stage("models");
        host::model(&context.workspace, filter, &mut proven)?;
    }
    if context.runs(Tier::Host) && context.runs(Tier::Model) && filter.is_none() {
        proofs.unclaimed().into_iter().for_each(each);
    }
    Ok(())
}

fn list(context: &Context) -> anyhow::Result<Vec<(Tier, String)>> {
    let mut names = Vec::new();
    for tier in [Tier::Host, Tier::Model].into_iter().filter(|&tier| context.runs(tier)) {
        let listed = host::list(&context.workspace, tier)?.into_iter();
        names.extend(listed.filter(|name| context.wants(name)).map(|name| (tier, name)));
    }
    if context.runs(Tier::Host) {
        names.extend(refused::list(context)?);
    }
    if context.runs(Tier::Guest) || context.runs(Tier::Long) {
        names.extend(guest::list(context)?);
    }
    if context.runs(Tier::Guest) {
        names.extend(fatal::list(context)?);
    }
    if context.runs(Tier::Long) {
        names.extend(fuzz::list(context)?);
        let mutants = mutants::list(&context.workspace)?.into_iter();
        names.extend(mutants.filter(|name| context.wants(name)).map(|name| (Tier::Long, name)));
    }
    Ok(names)
}
