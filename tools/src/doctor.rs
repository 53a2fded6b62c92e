//! `cargo roost doctor`.

use std::process::ExitCode;

/// doctor
#[derive(clap::Args)]
pub struct Args {}

/// Runs the subcommand.
pub fn run(_args: Args) -> anyhow::Result<ExitCode> {
    anyhow::bail!("doctor is being written")
}
