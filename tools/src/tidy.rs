//! `cargo roost tidy`.

use std::process::ExitCode;

/// tidy
#[derive(clap::Args)]
pub struct Args {}

/// Runs the subcommand.
pub fn run(_args: Args) -> anyhow::Result<ExitCode> {
    anyhow::bail!("tidy is being written")
}
