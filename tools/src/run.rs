//! `cargo roost run`.

use std::process::ExitCode;

/// run
#[derive(clap::Args)]
pub struct Args {}

/// Runs the subcommand.
pub fn run(_args: Args) -> anyhow::Result<ExitCode> {
    anyhow::bail!("run is being written")
}
