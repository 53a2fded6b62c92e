//! `cargo roost runner`.

use std::process::ExitCode;

/// runner
#[derive(clap::Args)]
pub struct Args {}

/// Runs the subcommand.
pub fn run(_args: Args) -> anyhow::Result<ExitCode> {
    anyhow::bail!("runner is being written")
}
