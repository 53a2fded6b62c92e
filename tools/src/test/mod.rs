//! `cargo roost test`.

use std::process::ExitCode;

mod cargo_output;
mod configuration;
mod host;
mod image_file;
mod matrix;
mod mutants;
mod pool;
mod progress;
pub mod report;
pub mod requirements;
mod storm;
pub mod tier;
pub mod workspace;

/// test
#[derive(clap::Args)]
pub struct Args {}

/// Runs the subcommand.
pub fn run(_args: Args) -> anyhow::Result<ExitCode> {
    anyhow::bail!("test is being written")
}
