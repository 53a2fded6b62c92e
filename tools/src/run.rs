//! `cargo roost run`: build an application, boot it, be its console, and end as it ended.

use std::io;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use crate::build::{self, Image, Kind, Package, Profile, Request, Settings, Target};
use crate::libtest;
use crate::qemu::{self, Config, Event, Message, Outcome};
use crate::screen::Screen;

/// Where gdb looks by default.
const GDB_PORT: u16 = 1234;

/// Build an application and boot it.
///
/// The console of the booted machine is this command's input and output, and the application's exit code
/// becomes this command's. A panic gives 101, a machine that dies without a word 102, a timeout 124.
///
/// Settings that are always the same can live in the application's Cargo.toml, under
/// [package.metadata.roost]: smp, mem, machine, boot, accel, cpu, display, args, profile, timeout.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Application: a package of this workspace, or a directory in its examples/ [default: the package in
    /// the current directory].
    #[arg(conflicts_with = "manifest_path")]
    example: Option<String>,

    /// Its Cargo.toml, for an application outside this workspace.
    #[arg(long, value_name = "PATH")]
    manifest_path: Option<PathBuf>,

    /// Which of its binaries, if it has several.
    #[arg(long, value_name = "NAME")]
    bin: Option<String>,

    /// Boot this one of its test suites instead. Arguments are those of `cargo test -- ARGS`.
    #[arg(long, value_name = "NAME", conflicts_with = "bin")]
    test: Option<String>,

    /// Features of it to switch on.
    #[arg(long, short = 'F', value_name = "FEATURES", value_delimiter = ',')]
    features: Vec<String>,

    /// Build it optimised.
    #[arg(long, short)]
    release: bool,

    /// Build it unoptimised, whatever its settings say [the default].
    #[arg(long, conflicts_with = "release")]
    debug: bool,

    /// Show all that cargo, compiler and linker say.
    #[arg(long, short)]
    verbose: bool,

    /// Wait for a debugger before the first instruction, and say how to attach one.
    #[arg(long)]
    gdb: bool,

    /// End the run after so many seconds; with a test suite, each of its cases.
    #[arg(long, value_name = "S")]
    timeout: Option<u64>,

    #[command(flatten)]
    machine: qemu::Options,

    /// Arguments for the application. Words that begin with `roost.` are options of the kernel, as in
    /// roost.log=debug; after a further `--`, no word is.
    #[arg(last = true, value_name = "ARGS")]
    args: Vec<String>,
}

const EXAMPLES: &str = "Examples:
  cargo roost run hello                            boot examples/hello with 4 cores
  cargo roost run hello --smp 64 --release         with 64, optimised
  cargo roost run hello --boot grub-uefi           from a CD by UEFI firmware and GRUB
  cargo roost run hello -- roost.log=debug a 'b c' with a kernel option and two arguments";

/// Runs the subcommand.
///
/// # Errors
/// If the application cannot be found, built or booted.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let package = Package::find(args.example.as_deref(), args.manifest_path.as_deref())?;
    let settings = package.settings.clone();
    let profile = match (args.release, args.debug) {
        (true, _) => Profile::Release,
        (_, true) => Profile::Dev,
        _ => settings.profile.unwrap_or_default(),
    };
    let target = match (args.bin, args.test) {
        (Some(name), _) => Target::Bin(name),
        (_, Some(name)) => Target::Test(name),
        _ => Target::Default,
    };
    // Before the build, so that a machine that cannot be is refused at once.
    let mut config = config(&args.machine, &settings)?;
    config.timeout = args.timeout.map(Duration::from_secs).or(config.timeout);
    let request = Request { target, profile, features: args.features, verbose: args.verbose, ..Request::new(package) };
    let image = build::build(&request)?;
    if args.gdb {
        let port = free_port();
        config.gdb = Some(port);
        eprintln!("The machine waits for a debugger:");
        eprintln!("  gdb -ex 'target remote localhost:{port}' {}", image.path.display());
    }
    boot(&image, config, &args.args, &settings)
}

/// The machine that a package is run on.
///
/// # Errors
/// If options and settings contradict each other.
pub fn config(options: &qemu::Options, settings: &Settings) -> anyhow::Result<Config> {
    Ok(Config { timeout: settings.timeout.map(Duration::from_secs), ..options.resolve(settings)? })
}

/// Boots an image as what it is, with these arguments, and returns its exit code.
///
/// # Errors
/// If it cannot be booted.
pub fn boot(image: &Image, config: Config, args: &[String], settings: &Settings) -> anyhow::Result<ExitCode> {
    match image.kind {
        Kind::Suite => libtest::run(image, &config, args),
        Kind::Application => {
            let words = match (args, &settings.args) {
                ([], Some(usual)) => usual,
                (given, _) => given,
            };
            application(image, &Config { append: qemu::join_words(words), stdin: true, ..config })
        }
    }
}

/// Boots an application and is its console.
fn application(image: &Image, config: &Config) -> anyhow::Result<ExitCode> {
    let mut screen = Screen::new(io::stdout().lock(), &image.path);
    let outcome = qemu::run(image, config, &mut |message| {
        match message {
            Message::Console(bytes) => screen.show(&bytes)?,
            Message::Event(Event::Boot(_)) => screen.guest_is_up(),
            Message::Event(_) => {}
        }
        Ok(())
    })?;
    screen.finish()?;
    match (outcome.sentence(), &outcome) {
        (Some(sentence), Outcome::QemuFailed { .. }) => anyhow::bail!(sentence),
        (Some(sentence), Outcome::Rebooted) => eprintln!("note: {sentence}"),
        (Some(sentence), _) => eprintln!("error: {sentence}"),
        (None, _) => {}
    }
    Ok(ExitCode::from(outcome.exit_code()))
}

/// The usual port if it is free, else one that is.
fn free_port() -> u16 {
    let bound = TcpListener::bind(("127.0.0.1", GDB_PORT)).or_else(|_| TcpListener::bind(("127.0.0.1", 0)));
    bound.and_then(|listener| listener.local_addr()).map_or(GDB_PORT, |address| address.port())
}
