//! `cargo roost bench`.

use std::process::ExitCode;

/// bench
#[derive(clap::Args)]
pub struct Args {}

/// Runs the subcommand.
pub fn run(_args: Args) -> anyhow::Result<ExitCode> {
    anyhow::bail!("bench is being written")
}
