//! `cargo roost test`.

use std::process::ExitCode;

/// test
#[derive(clap::Args)]
pub struct Args {}

/// Runs the subcommand.
pub fn run(_args: Args) -> anyhow::Result<ExitCode> {
    anyhow::bail!("test is being written")
}
