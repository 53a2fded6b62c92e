//! `cargo roost`: builds, boots, tests and packages Roost images.
//!
//! Each subcommand is one module with an `Args` and a `run`; what they share lies below them:
//! [`build`] turns a crate into an image, [`qemu`] boots an image and reads its control channel,
//! [`symbols`] turns addresses into places, [`host`] finds and installs the programs all of them need.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod bench;
mod build;
mod doctor;
mod host;
mod image;
mod libtest;
mod lint;
mod new;
mod qemu;
mod run;
mod runner;
mod screen;
mod setup;
mod suite;
mod symbols;
mod test;
mod tidy;
mod workspace;

/// Cargo calls a subcommand with its own name first.
#[derive(Parser)]
#[command(name = "cargo", bin_name = "cargo")]
enum Cargo {
    Roost(Roost),
}

/// Build, boot, test and package Roost images.
#[derive(clap::Args)]
#[command(version, arg_required_else_help = true)]
struct Roost {
    /// Never install anything; say what is missing instead.
    #[arg(long, global = true)]
    no_install: bool,

    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Run(run::Args),
    Test(test::Args),
    Bench(bench::Args),
    Image(image::Args),
    New(new::Args),
    Setup(setup::Args),
    Doctor(doctor::Args),
    /// Format every crate (`--check` only looks).
    Fmt(lint::FmtArgs),
    Lint(lint::Args),
    Tidy(tidy::Args),
    #[command(hide = true)]
    Runner(runner::Args),
}

fn main() -> ExitCode {
    let Cargo::Roost(roost) = Cargo::parse_from(arguments());
    host::set_no_install(roost.no_install);
    let result = match roost.command {
        Command::Run(args) => run::run(args),
        Command::Test(args) => test::run(args),
        Command::Bench(args) => bench::run(args),
        Command::Image(args) => image::run(args),
        Command::New(args) => new::run(args),
        Command::Setup(args) => setup::run(args),
        Command::Doctor(args) => doctor::run(args),
        Command::Fmt(args) => lint::fmt(args),
        Command::Lint(args) => lint::run(args),
        Command::Tidy(args) => tidy::run(args),
        Command::Runner(args) => runner::run(args),
    };
    result.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::from(2)
    })
}

/// The arguments as cargo passes them, also if the program was called by its own name: a runner in cargo's
/// configuration does that (`cargo-roost runner`).
fn arguments() -> Vec<OsString> {
    let mut arguments: Vec<_> = std::env::args_os().collect();
    if arguments.get(1).is_none_or(|first| first != "roost") {
        arguments.insert(arguments.len().min(1), "roost".into());
    }
    arguments
}
