//! Runs an image and counts what it executes.
//!
//! Under TCG with one host thread and a clock that advances by instructions, the counts are the same to the digit on
//! every run. The CPU has no fast string instructions, so that copying and clearing show up as the instructions they are
//! and not as one; and no x2APIC, whose timer QEMU 10 cannot access under such a clock (it gives up with `Bad icount
//! read`).

use std::path::Path;
use std::time::Duration;

use anyhow::bail;

use super::counts::{self, Visit};
use super::plugin;
use crate::build::Image;
use crate::qemu::{self, Accel, Config, Event, Message, Outcome};
use crate::test::image_file::ImageFile;

/// Symbols of a region begin with this and its name.
const BEGIN: &str = "bench_begin_";
/// And end with this.
const END: &str = "bench_end_";
/// Functions that wait or calibrate: how long they take says nothing about the code.
const WAIT: &str = "roost_wait_";
/// The application's main, as the library calls it.
const MAIN: &str = "__roost_main";
/// The region from the image's entry to its main.
pub const BOOT: &str = "boot";
/// No counted run takes longer.
const TIMEOUT: Duration = Duration::from_secs(300);

/// Which regions to count.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Regions {
    /// From the image's entry to the application's main.
    Boot,
    /// Those that the program marks.
    Marked,
}

/// What came of a run.
pub struct Counted {
    /// Each visit to a region, in order.
    pub visits: Vec<Visit>,
}

/// Runs `image` on the machine `config`, whose accelerator and CPU are chosen here.
///
/// # Errors
/// If the run does not end with exit code 0, or counting went wrong.
pub fn run(target: &Path, image: &Image, config: &Config, regions: Regions) -> anyhow::Result<Counted> {
    let library = plugin::compiled(target)?;
    let output = tempfile::NamedTempFile::new()?;
    let mut arguments = vec![escaped(&library), format!("out={}", escaped(output.path()))];
    arguments.push(format!("cores={}", config.smp));
    arguments.extend(marks(&ImageFile::open(&image.path)?, regions)?);

    let mut config = Config {
        accel: Accel::Tcg,
        accel_options: vec!["thread=single".to_owned()],
        cpu: Some("max,-erms,-fsrm,-x2apic".to_owned()),
        timeout: Some(TIMEOUT),
        ..config.clone()
    };
    config.extra.extend(["-icount", "shift=0,sleep=off", "-plugin"].map(str::to_owned));
    config.extra.push(arguments.join(","));

    let mut console = Vec::new();
    let mut failure = None;
    let outcome = qemu::run(image, &config, &mut |message| {
        match message {
            Message::Console(bytes) => console.extend(bytes),
            Message::Event(Event::Failed(why)) => failure = Some(why),
            Message::Event(_) => {}
        }
        Ok(())
    })?;
    if outcome != Outcome::Exited(0) || failure.is_some() {
        let why = failure.or_else(|| outcome.sentence()).unwrap_or_else(|| format!("{outcome:?}"));
        bail!("{} did not end well: {why}\n{}", image.name, String::from_utf8_lossy(&console));
    }
    let visits = counts::parse(&std::fs::read_to_string(output.path())?)?;
    if visits.is_empty() {
        bail!("{} ran through no region that is counted", image.name);
    }
    Ok(Counted { visits })
}

/// The plugin's arguments that name addresses.
fn marks(image: &ImageFile, regions: Regions) -> anyhow::Result<Vec<String>> {
    let mark = |kind: &str, name: &str, address: u64| format!("{kind}={name}:{address:#x}");
    let mut marks: Vec<_> =
        image.addresses(WAIT).into_iter().map(|(name, address)| mark("wait", &name, address)).collect();
    match regions {
        Regions::Boot => {
            marks.push(mark("begin", BOOT, image.pvh_entry()?));
            marks.push(mark("end", BOOT, image.address(MAIN)?));
        }
        Regions::Marked => {
            marks.extend(image.addresses(BEGIN).into_iter().map(|(name, address)| mark("begin", &name, address)));
            marks.extend(image.addresses(END).into_iter().map(|(name, address)| mark("end", &name, address)));
        }
    }
    Ok(marks)
}

/// A path within a list of options: there, two commas are one.
fn escaped(path: &Path) -> String {
    path.to_string_lossy().replace(',', ",,")
}
