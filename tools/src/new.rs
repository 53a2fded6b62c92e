//! `cargo roost new`.

use std::process::ExitCode;

/// new
#[derive(clap::Args)]
pub struct Args {}

/// Runs the subcommand.
pub fn run(_args: Args) -> anyhow::Result<ExitCode> {
    anyhow::bail!("new is being written")
}
