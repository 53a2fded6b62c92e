//! `cargo roost setup`.

use std::process::ExitCode;

/// setup
#[derive(clap::Args)]
pub struct Args {}

/// Runs the subcommand.
pub fn run(_args: Args) -> anyhow::Result<ExitCode> {
    anyhow::bail!("setup is being written")
}
