//! `cargo roost image`: an image as a file that boots by itself.
//!
//! Three formats. The ELF is the image without what only a debugger reads; QEMU and GRUB boot it as it is. The
//! ISO and the raw disk carry GRUB, and each boots on BIOS and on UEFI: the ISO from a disc or, copied there,
//! from a disk; the raw disk from anything that firmware takes for one.
//!
//! ```text
//! strip    the ELF without what no loader needs
//! config   GRUB's configuration: the image's arguments, and what the user wants of GRUB
//! tree     the files that both media hold
//! grub     GRUB's own parts: made once per version of GRUB, then kept
//! fat      FAT file systems, by mtools
//! iso      an ISO 9660 file system with El Torito, by xorriso
//! disk     a GPT disk with GRUB's core in a partition of its own
//! output   where the result goes
//! ```
//!
//! `grub-mkrescue` and `grub-install` are not used. The one copies several thousand files of modules, fonts
//! and translations into each ISO, which takes seconds and makes the image a hundred times larger than what
//! it carries; the other wants root and a block device. Both only arrange parts that `grub-mkimage` makes, in
//! ways that are documented and that [`disk`] and [`iso`] repeat.
//!
//! The same input gives the same bytes: nothing in a medium depends on the time, the place or chance.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};

use crate::build::{self, Image, Package, Profile, Request};
use crate::host::{self, Tool};
use crate::qemu;
use config::Config;
use tree::Tree;

mod command;
mod config;
mod disk;
mod fat;
mod grub;
mod iso;
mod output;
mod strip;
#[cfg(test)]
mod tests;
mod tree;

/// Name of the file, beside an application's `Cargo.toml`, with what it wants of GRUB.
const USER_CONFIG: &str = "grub.cfg";

/// What kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// The stripped image itself, for QEMU's -kernel and boot loaders.
    Elf,
    /// A disc for BIOS and UEFI. Boots from a disk, too.
    Iso,
    /// A disk for BIOS and UEFI: a USB stick, a SATA disk, a virtual machine's.
    Raw,
}

/// Package an application as a file that boots by itself
///
/// The ISO and the raw disk boot on BIOS and on UEFI. A file `grub.cfg` beside the application's
/// Cargo.toml is used for both.
#[derive(clap::Args)]
pub struct Args {
    /// The application: a package of this workspace, or an example. Default: the one around this directory
    app: Option<String>,

    /// Path of the application's Cargo.toml
    #[arg(long, value_name = "PATH", conflicts_with = "app")]
    manifest_path: Option<PathBuf>,

    /// What to make
    #[arg(long, value_enum, ignore_case = true)]
    format: Format,

    /// File to write; `-` is standard output. An existing file is replaced, missing directories are made
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,

    /// Build with optimisation (the default, unless Cargo.toml says otherwise)
    #[arg(long, conflicts_with = "debug")]
    release: bool,

    /// Build without optimisation
    #[arg(long)]
    debug: bool,

    /// Command line of the image, as one string. Default: the arguments in Cargo.toml
    #[arg(long, value_name = "ARGS", allow_hyphen_values = true)]
    args: Option<String>,

    /// Show all that cargo, compiler and linker say
    #[arg(short, long)]
    verbose: bool,
}

/// Runs the subcommand.
pub fn run(args: Args) -> Result<ExitCode> {
    let package = Package::find(args.app.as_deref(), args.manifest_path.as_deref())?;
    if args.format == Format::Elf && args.args.is_some() {
        bail!("an ELF carries no arguments: give them to whatever boots it, or make an ISO or a raw disk");
    }
    let destination = output::Destination::new(&args.output)?;
    let settings = &package.settings;
    let profile = match (args.release, args.debug) {
        (true, _) => Profile::Release,
        (_, true) => Profile::Dev,
        _ => settings.profile.unwrap_or(Profile::Release),
    };
    let line = args.args.unwrap_or_else(|| qemu::join_words(settings.args.iter().flatten()));
    let user = user_config(package.directory())?;

    let mut request = Request::new(package);
    request.profile = profile;
    request.verbose = args.verbose;
    let image = build::build(&request)?;

    let config = Config { args: &line, user: user.as_deref() };
    let size = destination.write(|path| write(&image, args.format, &config, path))?;
    if !destination.is_stdout() {
        eprintln!("{}: {}", args.output.display(), indicatif::HumanBytes(size));
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes `image` with the command line `args` to the file `output`, which is replaced if it exists.
///
/// GRUB, xorriso and mtools are installed first if they are needed and missing. Takes well under a second
/// except the first time with a version of GRUB.
///
/// # Errors
/// If a program is missing or fails, if `args` cannot be passed through GRUB, or on an I/O error.
pub fn make(image: &Image, format: Format, args: &str, output: &Path) -> Result<()> {
    write(image, format, &Config { args, user: None }, output)
}

fn write(image: &Image, format: Format, config: &Config<'_>, output: &Path) -> Result<()> {
    let elf = fs::read(&image.path).with_context(|| format!("cannot read {}", image.path.display()))?;
    let elf = strip::strip(&elf).with_context(|| format!("cannot strip {}", image.path.display()))?;
    match format {
        Format::Elf => {
            return fs::write(output, elf).with_context(|| format!("cannot write {}", output.display()));
        }
        Format::Iso => host::require_all(&[Tool::Grub, Tool::Xorriso, Tool::Mtools])?,
        Format::Raw => host::require_all(&[Tool::Grub, Tool::Mtools])?,
    }
    let parts = grub::parts(&host::grub()?)?;
    let tree = Tree::new(&elf, config, &parts)?;
    match format {
        Format::Iso => iso::write(&tree, &parts, output),
        _ => disk::write(&tree, &parts, output),
    }
}

fn user_config(directory: &Path) -> Result<Option<String>> {
    let path = directory.join(USER_CONFIG);
    if !path.exists() {
        return Ok(None);
    }
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(Some(text))
}
