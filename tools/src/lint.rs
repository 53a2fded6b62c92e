//! `cargo roost lint`.

use std::process::ExitCode;

/// lint
#[derive(clap::Args)]
pub struct Args {}

/// Runs the subcommand.
pub fn run(_args: Args) -> anyhow::Result<ExitCode> {
    anyhow::bail!("lint is being written")
}

/// Format every crate (`--check` only looks).
#[derive(clap::Args)]
pub struct FmtArgs {}

/// Formats.
pub fn fmt(_args: FmtArgs) -> anyhow::Result<ExitCode> {
    anyhow::bail!("fmt is being written")
}
