//! `cargo roost image`.

use std::process::ExitCode;

/// image
#[derive(clap::Args)]
pub struct Args {}

/// Runs the subcommand.
pub fn run(_args: Args) -> anyhow::Result<ExitCode> {
    anyhow::bail!("image is being written")
}
