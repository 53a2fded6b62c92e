//! `cargo roost bench boot`: what it takes to get to the application's main.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use super::counted::{self, Marks};
use super::counts::{Count, Vector};
use super::figure::cores;
use super::figure::{Figure, Measured};
use super::timed::{RUNS, quartiles};
use crate::build::{self, Image, Package, Profile, Request};
use crate::image::{self, Format};
use crate::qemu::{self, Accel, Config, Message, Outcome, Session, Size, Step};
use crate::test::image_file::ImageFile;
use crate::workspace::Workspace;

/// The name on the command line.
pub const NAME: &str = "boot";
/// What is booted.
const APPLICATION: &str = "examples/hello";
/// What it prints on each core.
const GREETING: &str = "Hello from core";

/// Instructions from entry to main with one core.
const INSTRUCTIONS_BAR: f64 = 1_500_000.0;
/// What 4 GiB may cost more than 128 MiB.
const MEMORY_COST_BAR: f64 = 20_000.0;
/// KiB with which one core boots.
const SMALLEST_BAR_KIB: f64 = 4096.0;
/// KiB that each further core may need.
const CORE_BAR_KIB: f64 = 128.0;
/// KB of the stripped image.
const IMAGE_BAR_KB: f64 = 200.0;
/// Seconds from QEMU's start to the first line: a third of what Hermit takes.
const FIRST_LINE_BAR: f64 = 0.113;

/// The step of the search for the smallest memory.
const STEP_KIB: u64 = 64;
/// Where the search begins: enough for anything.
const ENOUGH_KIB: u64 = 64 << 10;
/// The cores whose need, compared to one core's, gives the need of each.
const SEVERAL_CORES: u32 = 33;
const BOOT_TIMEOUT: Duration = Duration::from_secs(60);

/// Measures all figures.
///
/// # Errors
/// If the application does not build or boot.
pub fn run(workspace: &Workspace) -> anyhow::Result<Vec<Figure>> {
    let package = Package::open(&workspace.root.join(APPLICATION))?;
    let image = build::build(&Request { profile: Profile::Release, ..Request::new(package) })?;
    let mut figures = instructions(workspace, &image)?;
    figures.extend(smallest_memory(&image)?);
    figures.push(image_size(&image)?);
    figures.push(first_line(&image)?);
    Ok(figures)
}

fn figure(name: impl Into<String>, value: f64, unit: &str, bar: Option<f64>) -> Figure {
    let (benchmark, name, unit) = (NAME.to_owned(), name.into(), unit.to_owned());
    Figure { benchmark, name, unit, ours: Measured::value(value), bar, deterministic: true, ..Figure::default() }
}

/// Instructions from the image's entry to main, waits excluded.
fn instructions(workspace: &Workspace, image: &Image) -> anyhow::Result<Vec<Figure>> {
    let count = |smp: u32, mem: &str| {
        let config = Config { smp, mem: size(mem)?, ..Config::default() };
        let marks = Marks::boot(&ImageFile::open(&image.path)?)?;
        let counted = counted::run(&workspace.target, image, &config, &marks)?;
        let visit = counted.visits.into_iter().next().context("the image did not reach its main")?;
        anyhow::Ok(visit.all)
    };
    let mut figures = Vec::new();
    let mut by_memory = Vec::new();
    for (smp, mem) in [(1, "128M"), (1, "1G"), (1, "4G"), (8, "128M"), (64, "128M")] {
        let vector: Vector = count(smp, mem)?;
        let instructions = vector.get(Count::Instructions);
        let bar = (smp == 1).then_some(INSTRUCTIONS_BAR);
        let name = format!("entry to main, {}, {mem}", cores(smp));
        let figure = figure(name, instructions, "instructions", bar);
        figures.push(Figure { ours: Measured { vector: Some(vector), ..figure.ours }, ..figure });
        if smp == 1 {
            by_memory.push(instructions);
        }
    }
    let cost = by_memory.last().zip(by_memory.first()).map_or(0.0, |(most, least)| most - least);
    figures.push(figure("4G more than 128M", cost, "instructions", Some(MEMORY_COST_BAR)));
    Ok(figures)
}

/// The smallest memory with which the application runs to its end, and what each further core needs.
fn smallest_memory(image: &Image) -> anyhow::Result<Vec<Figure>> {
    let one = smallest(image, 1)?;
    let several = smallest(image, SEVERAL_CORES)?;
    let per_core = several.saturating_sub(one) as f64 / f64::from(SEVERAL_CORES - 1);
    let note = format!("{several} KiB with {SEVERAL_CORES}");
    Ok(vec![
        figure("smallest memory, 1 core", one as f64, "KiB", Some(SMALLEST_BAR_KIB)),
        Figure { note, ..figure("each further core", per_core, "KiB", Some(CORE_BAR_KIB)) },
    ])
}

/// KiB; between what fails and what suffices lies one step.
fn smallest(image: &Image, smp: u32) -> anyhow::Result<u64> {
    if !boots(image, smp, ENOUGH_KIB)? {
        bail!("{} does not boot with {} and {ENOUGH_KIB} KiB", image.name, cores(smp));
    }
    // The smallest machine there is has 1 MiB, which holds no image.
    let (mut fails, mut suffices) = (1024 / STEP_KIB, ENOUGH_KIB / STEP_KIB);
    while suffices - fails > 1 {
        let middle = fails.midpoint(suffices);
        if boots(image, smp, middle * STEP_KIB)? { suffices = middle } else { fails = middle }
    }
    Ok(suffices * STEP_KIB)
}

fn boots(image: &Image, smp: u32, kib: u64) -> anyhow::Result<bool> {
    if kib < image.least_memory_kib() {
        return Ok(false);
    }
    let config = Config { smp, mem: size(&format!("{kib}K"))?, timeout: Some(BOOT_TIMEOUT), ..Config::default() };
    let mut console = Vec::new();
    let outcome = qemu::run(image, &config, &mut |message| {
        if let Message::Console(bytes) = message {
            console.extend(bytes);
        }
        Ok(())
    })?;
    if outcome == Outcome::Interrupted {
        bail!("interrupted");
    }
    // A core that had no memory to start with would go unnoticed otherwise.
    let greetings = String::from_utf8_lossy(&console).matches(GREETING).count();
    Ok(outcome == Outcome::Exited(0) && greetings == smp as usize)
}

fn size(text: &str) -> anyhow::Result<Size> {
    text.parse().map_err(anyhow::Error::msg)
}

/// The size of the file that a user would ship.
fn image_size(image: &Image) -> anyhow::Result<Figure> {
    let stripped = tempfile::NamedTempFile::new()?;
    image::make(image, Format::Elf, "", stripped.path())?;
    let kilobytes = std::fs::metadata(stripped.path())?.len() as f64 / 1000.0;
    Ok(figure("stripped release image", kilobytes, "KB", Some(IMAGE_BAR_KB)))
}

/// Wall-clock time from QEMU's start to the end of the console's first line.
fn first_line(image: &Image) -> anyhow::Result<Figure> {
    let config = Config { smp: 1, accel: Accel::Tcg, ..Config::default() };
    let mut seconds = Vec::new();
    for _ in 0..RUNS {
        seconds.push(first_line_once(image, &config)?.as_secs_f64());
    }
    let [low, median, high] = quartiles(seconds);
    let figure = figure("QEMU's start to the first line", median, "s", Some(FIRST_LINE_BAR));
    let ours = Measured { quartiles: Some([low, high]), ..figure.ours };
    Ok(Figure { deterministic: false, ours, ..figure })
}

fn first_line_once(image: &Image, config: &Config) -> anyhow::Result<Duration> {
    let started = Instant::now();
    let mut session = Session::start(image, config)?;
    loop {
        match session.next(Some(started + BOOT_TIMEOUT))? {
            Step::Message(Message::Console(bytes)) if bytes.contains(&b'\n') => return Ok(started.elapsed()),
            Step::Message(_) => {}
            Step::Late | Step::Ended(_) => bail!("{} ended before its first line", image.name),
        }
    }
}
