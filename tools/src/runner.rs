//! `cargo roost runner`: what cargo starts instead of an executable, so that `cargo run` and `cargo test` boot
//! images.
//!
//! Images share their target with programs of the host, so cargo hands those to the runner too: unit tests, and
//! the tools themselves. Whatever has no Roost note is executed in this process's place. (In the workspace, the
//! script `tools/runner` stands before this command and does the same without it.)

use std::ffi::OsString;
use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::{env, fs, io};

use anyhow::Context as _;

use crate::build::{self, Image, Package, Settings};
use crate::{qemu, run};

/// Boot an executable that cargo built, or run it, if it is a program of the host.
#[derive(clap::Args)]
pub struct Args {
    /// Directory of the package [default: what cargo says].
    #[arg(long, value_name = "DIR")]
    manifest_dir: Option<PathBuf>,

    /// The executable.
    image: PathBuf,

    /// Its arguments.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<OsString>,
}

/// Runs the subcommand.
///
/// # Errors
/// If the image cannot be booted, or the program not be started.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let beginning = beginning(&args.image).with_context(|| format!("cannot read {}", args.image.display()))?;
    if build::kind(&beginning)?.is_none() {
        return Err(exec(&args.image, &args.args));
    }
    let words = args.args.into_iter().map(|arg| {
        arg.into_string().map_err(|arg| anyhow::anyhow!("an image takes no argument like {arg:?}, which is no UTF-8"))
    });
    let words = words.collect::<anyhow::Result<Vec<_>>>()?;
    let directory = args.manifest_dir.or_else(|| env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from));
    let settings = settings(directory.as_deref())?;
    let image = Image::open(args.image)?;
    run::boot(&image, run::config(&qemu::Options::default(), &settings)?, &words, &settings)
}

/// As much of a file as an image's note must be in. Programs of the host may be large.
fn beginning(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(build::NOTE_WITHIN).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Puts the program in this process's place; returns only if that fails.
fn exec(program: &Path, args: &[OsString]) -> anyhow::Error {
    let error = Command::new(program).args(args).exec();
    anyhow::Error::new(error).context(format!("cannot execute {}", program.display()))
}

/// What the package says about how it is to be run.
fn settings(directory: Option<&Path>) -> anyhow::Result<Settings> {
    match directory {
        Some(directory) => Ok(Package::open(&directory.join("Cargo.toml"))?.settings),
        None => Ok(Settings::default()),
    }
}
