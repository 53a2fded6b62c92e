//! A machine that a test boots on, and its name in the report.

use std::fmt;
use std::time::Duration;

use anyhow::bail;
use serde::Deserialize;

use crate::build::Profile;
use crate::qemu::{self, Accel, Boot, Machine, Size};

/// What the suites and fatal images are told apart by: a point in the matrix.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Configuration {
    /// How the image was built.
    pub profile: Profile,
    /// Board.
    pub machine: Machine,
    /// Number of cores.
    pub smp: u32,
    /// Interrupt controller of each core.
    pub apic: Apic,
    /// What the processor does not have, by QEMU's name: empty for nothing.
    pub lacks: String,
    /// Amount of memory.
    pub mem: Size,
    /// What loads the image.
    pub boot: Boot,
    /// Whether there is a serial port. Without one the control channel alone tells what happens.
    pub serial: bool,
    /// Between which instructions an interrupt can land.
    pub timing: Timing,
    /// How many times as long as usual a case may take.
    pub patience: u32,
}

/// The local APIC's mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Apic {
    /// Memory-mapped registers, 8-bit ids: the CPU is told not to have the other.
    Xapic,
    /// MSRs, 32-bit ids.
    X2apic,
}

/// How QEMU executes. Its translator normally looks for interrupts only between translated blocks, which
/// leaves most of a race window out of reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Timing {
    /// As fast as it can.
    Free,
    /// One host thread and a clock that advances by instructions: an interrupt lands after exactly as many
    /// instructions as its timer says. For one core.
    Icount,
    /// One instruction per translated block, and a thread per core. For several cores. (What QEMU before 8 called
    /// `-singlestep`; this tool asks for 9.)
    OneInstruction,
}

impl Default for Configuration {
    fn default() -> Self {
        Self {
            profile: Profile::Dev,
            machine: Machine::Microvm,
            smp: 1,
            apic: Apic::X2apic,
            lacks: String::new(),
            mem: qemu::DEFAULT_MEM,
            boot: Boot::Kernel,
            serial: true,
            timing: Timing::Free,
            patience: 1,
        }
    }
}

impl Configuration {
    /// Says what is wrong with a machine that QEMU could not be.
    ///
    /// # Errors
    /// A sentence about the first contradiction.
    pub fn check(&self) -> anyhow::Result<()> {
        if self.timing == Timing::Icount && (self.apic, self.smp) != (Apic::Xapic, 1) {
            // QEMU 10 gives up with `Bad icount read` when the timer is accessed through an MSR.
            bail!("under icount a machine has one core and an xAPIC, not {self}");
        }
        self.to_qemu().check()
    }

    /// The machine as QEMU is to build it.
    pub fn to_qemu(&self) -> qemu::Config {
        let mut config = qemu::Config {
            machine: self.machine,
            smp: self.smp,
            mem: self.mem,
            boot: self.boot,
            serial: self.serial,
            // A framebuffer is what a PC without a serial port has, and firmware wants one.
            vga: self.boot != Boot::Kernel,
            cpu: Some(self.cpu()),
            ..qemu::Config::default()
        };
        match self.timing {
            Timing::Free => {}
            Timing::Icount => {
                config.accel = Accel::Tcg;
                config.extra.extend(["-icount".to_owned(), "shift=0,sleep=off".to_owned()]);
            }
            Timing::OneInstruction => {
                config.accel = Accel::Tcg;
                config.accel_options.push("one-insn-per-tb=on".to_owned());
            }
        }
        config
    }

    fn cpu(&self) -> String {
        let mut cpu = "max".to_owned();
        if self.apic == Apic::Xapic {
            cpu.push_str(",-x2apic");
        }
        if !self.lacks.is_empty() {
            cpu.push_str(",-");
            cpu.push_str(&self.lacks);
        }
        cpu
    }

    /// How long one case may take, the boot included.
    pub fn limit(&self) -> Duration {
        let boot = if self.boot == Boot::Kernel { 0 } else { 60 };
        let slow = if self.timing == Timing::Free { 1 } else { 4 };
        // An emulated core costs host time even if it only starts.
        Duration::from_secs((60 + boot + u64::from(self.smp)) * slow * u64::from(self.patience))
    }

    /// How many of the host's cores it keeps busy.
    pub fn weight(&self) -> usize {
        if self.timing == Timing::Icount { 1 } else { self.smp as usize }
    }
}

impl fmt::Display for Configuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let apic = match self.apic {
            Apic::Xapic => "xapic",
            Apic::X2apic => "x2apic",
        };
        write!(f, "{} smp={} {apic}", self.machine, self.smp)?;
        if !self.lacks.is_empty() {
            write!(f, " no-{}", self.lacks)?;
        }
        if self.mem != qemu::DEFAULT_MEM {
            write!(f, " mem={}", self.mem)?;
        }
        if self.boot != Boot::Kernel {
            write!(f, " {}", self.boot)?;
        }
        if !self.serial {
            write!(f, " no-serial")?;
        }
        match self.timing {
            Timing::Free => {}
            Timing::Icount => write!(f, " icount")?,
            Timing::OneInstruction => write!(f, " one-instruction")?,
        }
        match self.profile {
            Profile::Dev => Ok(()),
            Profile::Release => write!(f, " release"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_is_named_by_what_is_particular_about_it() {
        let plain = Configuration { smp: 2, ..Configuration::default() };
        assert_eq!(plain.to_string(), "microvm smp=2 x2apic");
        let odd = Configuration {
            machine: Machine::Pc,
            apic: Apic::Xapic,
            lacks: "avx".to_owned(),
            mem: Size::mib(32),
            boot: "grub-uefi-usb".parse().unwrap(),
            serial: false,
            profile: Profile::Release,
            ..plain
        };
        assert_eq!(odd.to_string(), "pc smp=2 xapic no-avx mem=32M grub-uefi-usb no-serial release");
        assert_eq!(odd.to_qemu().cpu.as_deref(), Some("max,-x2apic,-avx"));
    }

    #[test]
    fn storms_choose_the_translator_and_how_it_steps() {
        let storm = |timing| Configuration { timing, ..Configuration::default() }.to_qemu();
        assert_eq!(storm(Timing::Icount).extra, ["-icount", "shift=0,sleep=off"]);
        assert_eq!(storm(Timing::OneInstruction).accel_options, ["one-insn-per-tb=on"]);
        assert_eq!(storm(Timing::Free).accel, Accel::Auto);
    }
}
