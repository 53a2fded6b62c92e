//! `cargo roost setup`: installs what is missing, all at once.
//!
//! No command needs it to have been run: each installs what it needs. It is for those who would rather wait
//! once, and for machines that are set up before they are used, such as CI's.

use std::process::ExitCode;

use crate::host::{self, State, Tool};

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
    Ok(ExitCode::SUCCESS)
}

fn describe(before: &State, after: &State) -> String {
    let what = if before == after { "was there" } else { "installed" };
    let path = after.path().map_or(String::new(), |path| path.display().to_string());
    match after.version() {
        Some(version) => format!("{what}: {version}, {path}"),
        None => format!("{what}: {path}"),
    }
}
