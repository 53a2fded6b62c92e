//! `cargo roost setup`: installs what is missing, all at once.
//!
//! No command needs it to have been run: each installs what it needs. It is for those who would rather wait
//! once, and for machines that are set up before they are used, such as CI's. One thing it alone fetches: the Linux
//! kernel beside which `bench` sets our figures.

use std::process::ExitCode;

use crate::host::{self, Linux, State, Tool};

/// Install all programs that some command needs
///
/// Uses the system's package manager, and says first what it will do. Does nothing if nothing is missing.
#[derive(clap::Args)]
pub struct Args {}

/// Runs the subcommand.
pub fn run(_args: Args) -> anyhow::Result<ExitCode> {
    let before = Tool::ALL.map(host::find::look);
    host::require_everything()?;
    let after = Tool::ALL.map(host::find::look);

    for (tool, (before, after)) in Tool::ALL.into_iter().zip(before.iter().zip(&after)) {
        println!("{:<8} {}", tool.name(), describe(before, after));
    }
    println!("{:<8} {}", "Linux", linux());
    Ok(ExitCode::SUCCESS)
}

/// Fetches the kernel that `bench` compares with, and says what came of it. Everything else works without.
fn linux() -> String {
    let was_there = Linux::find().is_some();
    match host::require_linux() {
        Ok(linux) => {
            let what = if was_there { "was there" } else { "fetched" };
            format!("{what}: {}, {}", linux.version, linux.kernel.display())
        }
        Err(error) => format!("missing, so `bench` shows our figures alone: {error:#}"),
    }
}

fn describe(before: &State, after: &State) -> String {
    let what = if before == after { "was there" } else { "installed" };
    let path = after.path().map_or(String::new(), |path| path.display().to_string());
    match after.version() {
        Some(version) => format!("{what}: {version}, {path}"),
        None => format!("{what}: {path}"),
    }
}
