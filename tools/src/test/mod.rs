//! `cargo roost test`.

use std::process::ExitCode;

pub mod report;
pub mod requirements;
pub mod tier;
pub mod workspace;

/// test
#[derive(clap::Args)]
pub struct Args {}

/// Runs the subcommand.
pub fn run(_args: Args) -> anyhow::Result<ExitCode> {
    anyhow::bail!("test is being written")
}
