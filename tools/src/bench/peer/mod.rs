//! Linux, doing the same on the same machine.
//!
//! Its kernel is a distribution's ([`Linux`]), its only program `tests/peer`, which it finds in an archive that is made here
//! ([`initramfs`]). It boots as an image of ours does, says on the control channel what it has to say, and its regions
//! are counted by the same plugin: addresses of a static program are as good as ours.
//!
//! **What could make it look worse than it is** is taken away: `idle=halt`, because QEMU's `mwait` does not wait;
//! `tsc=reliable`, because on several cores the kernel would otherwise take a slower clock; `no_timer_check`, because a busy
//! host delays the interrupts that it checks. The kernel's protections against speculation stay as they come, because that
//! is what people run. (Without them a switch of threads takes 4 % less.) What is left is the tick, which runs 250 times a
//! second while a core is busy: 0.06 % of all instructions. That nothing else runs is checked.
//!
//! Rejected: comparing with the host's own Linux, which is another machine and cannot be counted; a distribution's image,
//! whose services run beside what is measured.

mod initramfs;
mod program;

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, bail};
use tempfile::NamedTempFile;

use super::counted::{self, Counted, Marks};
use super::counts::Count;
use super::figure::cores;
use super::guest::Metrics;
use super::timed;
use crate::build::{Image, Kind};
use crate::host::Linux;
use crate::qemu::{Config, Size};
use crate::test::image_file::ImageFile;
use crate::workspace::Workspace;

/// The machine's memory.
const MEMORY: Size = Size::mib(256);
/// The kernel's command line. Addresses are the same on every run, so that counts are, too.
const COMMAND_LINE: &str =
    "console=ttyS0 quiet panic=-1 idle=halt tsc=reliable clocksource=tsc nokaslr norandmaps no_timer_check --";
/// The machine starts at the same time of day always, and its random numbers are the same.
const SAME_EVERY_TIME: [&str; 4] = ["-rtc", "base=2024-01-01,clock=vm", "-seed", "1"];
/// What the program is told to do by the clock of the host.
const BY_THE_CLOCK: &str = "clock";

/// The region in which the program does nothing, and how many instructions an operation of that has.
const IDLE: &str = "idle";
const IDLE_INSTRUCTIONS: f64 = 2.0;
/// The share of what is executed there that may be something else's.
const MOST_ELSE: f64 = 0.01;

/// A Linux that is ready to boot.
pub struct Peer {
    linux: Image,
    version: String,
    archive: NamedTempFile,
    marks: Marks,
    /// What was counted, by number of cores. It would be the same again.
    counted: BTreeMap<u32, Counted>,
}

impl Peer {
    /// Makes the program and what it is booted from. `kernel` is the file to boot, if not the one that was fetched.
    ///
    /// # Errors
    /// Why there is nothing to compare with, and what to do.
    pub fn prepare(workspace: &Workspace, kernel: Option<&Path>) -> anyhow::Result<Self> {
        let given = kernel.map(|kernel| Linux::at(kernel.to_owned()));
        let linux = given.or_else(Linux::find).context("there is no kernel; `cargo roost setup` fetches one")?;
        let program = program::compiled(workspace)?;
        let archive = NamedTempFile::new()?;
        std::fs::write(archive.path(), initramfs::with_init(&std::fs::read(&program)?))?;
        let marks = Marks::regions(&ImageFile::open(&program)?);
        // QEMU loads it as it loads an image of ours, whose end alone is known.
        let image = Image { path: linux.kernel, name: "Linux".to_owned(), kind: Kind::Application, end: 0 };
        Ok(Self { linux: image, version: linux.version, archive, marks, counted: BTreeMap::new() })
    }

    /// Its kernel's version.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// What it does on one core or on two, counted.
    ///
    /// # Errors
    /// If it does not boot, or its program fails.
    pub fn counted(&mut self, target: &Path, smp: u32) -> anyhow::Result<&Counted> {
        if !self.counted.contains_key(&smp) {
            eprintln!("counting Linux, {}", cores(smp));
            let what = if smp == 1 { "one-core" } else { "two-cores" };
            let counted = counted::run(target, &self.linux, &self.config(smp, what), &self.marks)?;
            if smp == 1 {
                check_quiet(&counted)?;
            }
            self.counted.insert(smp, counted);
        }
        Ok(&self.counted[&smp])
    }

    /// What it does on two cores, by the clock.
    ///
    /// # Errors
    /// If it does not boot, or its program fails.
    pub fn timed(&self) -> anyhow::Result<Metrics> {
        timed::run(&self.linux, &self.config(2, BY_THE_CLOCK))
    }

    fn config(&self, smp: u32, what: &str) -> Config {
        let archive = self.archive.path().to_string_lossy().into_owned();
        let extra = ["-initrd".to_owned(), archive].into_iter().chain(SAME_EVERY_TIME.map(str::to_owned)).collect();
        Config { smp, mem: MEMORY, append: format!("{COMMAND_LINE} {what}"), extra, ..Config::default() }
    }
}

/// Makes sure that Linux does nothing beside.
fn check_quiet(counted: &Counted) -> anyhow::Result<()> {
    let (operations, _) = counted.metrics.get(IDLE).context("its program does not say how long it does nothing")?;
    let visits: Vec<_> = counted.visits.iter().filter(|visit| visit.region == IDLE).collect();
    let executed: f64 = visits.iter().map(|visit| visit.all.get(Count::Instructions)).sum();
    // Visits alternate between so many operations and twice as many.
    let expected = IDLE_INSTRUCTIONS * operations * 1.5 * visits.len() as f64;
    let else_ = executed / expected - 1.0;
    if !(0.0..MOST_ELSE).contains(&else_) {
        bail!("{:.2} % of what runs there is something else, so that its counts mean nothing", else_ * 100.0);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::counts::{Vector, Visit};

    fn counted(instructions: [f64; 2]) -> Counted {
        let visit =
            |plain| Visit { region: IDLE.to_owned(), all: Vector { plain, ..Vector::default() }, ..Visit::default() };
        let metrics = [(IDLE.to_owned(), (1_000.0, "operations".to_owned()))].into();
        Counted { visits: instructions.map(visit).to_vec(), metrics }
    }

    #[test]
    fn a_linux_that_does_something_else_is_noticed() {
        assert!(check_quiet(&counted([2_005.0, 4_010.0])).is_ok());
        for busy in [[2_100.0, 4_000.0], [1_000.0, 2_000.0]] {
            assert!(check_quiet(&counted(busy)).unwrap_err().to_string().contains("something else"));
        }
        let silent = Counted { visits: Vec::new(), metrics: Metrics::new() };
        assert!(check_quiet(&silent).is_err());
    }
}
