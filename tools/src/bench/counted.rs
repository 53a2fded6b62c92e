//! Runs a program and counts what it executes.
//!
//! Under TCG with one host thread and a clock that advances by instructions, the counts are the same to the digit on
//! every run.

use std::path::Path;
use std::time::Duration;

use super::counts::{self, Visit};
use super::guest::{self, CPU, Metrics};
use super::plugin;
use crate::build::Image;
use crate::qemu::{Accel, Config};
use crate::test::image_file::ImageFile;

/// Symbols of a region begin with this and its name.
const BEGIN: &str = "bench_begin_";
/// And end with this.
const END: &str = "bench_end_";
/// What a core executes from a symbol that begins with this is not counted
const PAUSE: &str = "bench_pause_";
/// up to one that begins with this.
const RESUME: &str = "bench_resume_";
/// Functions that wait or calibrate: how long they take says nothing about the code.
const WAIT: &str = "roost_wait_";
/// The application's main, as the library calls it.
const MAIN: &str = "__roost_main";
/// The region from the image's entry to its main.
const BOOT: &str = "boot";
/// No counted run takes longer, even where others keep the host busy.
const TIMEOUT: Duration = Duration::from_mins(10);

/// Addresses that mean something, as the plugin takes them.
pub struct Marks(Vec<String>);

/// What came of a run.
pub struct Counted {
    /// Each visit to a region, in order.
    pub visits: Vec<Visit>,
    /// What the program says of itself.
    pub metrics: Metrics,
}

/// Runs `image` on the machine `config`, whose accelerator and CPU are chosen here.
///
/// # Errors
/// If the run does not end with exit code 0, or counting went wrong.
pub fn run(target: &Path, image: &Image, config: &Config, marks: &Marks) -> anyhow::Result<Counted> {
    let library = plugin::compiled(target)?;
    let output = tempfile::NamedTempFile::new()?;
    let mut arguments = vec![escaped(&library), format!("out={}", escaped(output.path()))];
    arguments.push(format!("cores={}", config.smp));
    arguments.extend_from_slice(&marks.0);

    let mut config = Config {
        accel: Accel::Tcg,
        accel_options: vec!["thread=single".to_owned()],
        cpu: Some(CPU.to_owned()),
        timeout: Some(TIMEOUT),
        ..config.clone()
    };
    config.extra.extend(["-icount", "shift=0,sleep=off", "-plugin"].map(str::to_owned));
    config.extra.push(arguments.join(","));

    let metrics = guest::run(image, &config)?;
    let visits = counts::parse(&std::fs::read_to_string(output.path())?)?;
    Ok(Counted { visits, metrics })
}

impl Marks {
    /// From the image's entry to the application's main.
    ///
    /// # Errors
    /// If the image lacks either.
    pub fn boot(image: &ImageFile) -> anyhow::Result<Self> {
        let ends = [("begin", image.pvh_entry()?), ("end", image.address(MAIN)?)];
        let ends = ends.map(|(kind, address)| mark(kind, BOOT, address));
        Ok(Self(by_symbol(image, &[("wait", WAIT)]).chain(ends).collect()))
    }

    /// The regions that the program marks.
    pub fn regions(image: &ImageFile) -> Self {
        let kinds = [("wait", WAIT), ("begin", BEGIN), ("end", END), ("pause", PAUSE), ("resume", RESUME)];
        Self(by_symbol(image, &kinds).collect())
    }
}

fn by_symbol(image: &ImageFile, kinds: &[(&'static str, &'static str)]) -> impl Iterator<Item = String> {
    let marks = |&(kind, prefix): &(_, _)| {
        image.addresses(prefix).into_iter().map(move |(name, address)| mark(kind, &name, address)).collect::<Vec<_>>()
    };
    kinds.iter().map(marks).collect::<Vec<_>>().into_iter().flatten()
}

fn mark(kind: &str, name: &str, address: u64) -> String {
    format!("{kind}={name}:{address:#x}")
}

/// A path within a list of options: there, two commas are one.
fn escaped(path: &Path) -> String {
    path.to_string_lossy().replace(',', ",,")
}
