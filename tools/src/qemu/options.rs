//! The options by which every command lets its user choose a machine.

use super::accel::Accel;
use super::config::{Config, MAX_SMP, MAX_SMP_XAPIC};
use super::machine::{Boot, Machine};
use super::size::Size;
use crate::build::Settings;

/// A machine as the command line describes it.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Machine")]
pub struct Options {
    /// Number of cores, 1 to 288 [default: 4].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_SMP)))]
    pub smp: Option<u32>,

    /// Amount of memory, as in 128M or 4G [default: 128M].
    #[arg(long, value_name = "SIZE")]
    pub mem: Option<Size>,

    /// Board [default: microvm, where nothing else asked for needs q35].
    #[arg(long)]
    pub machine: Option<Machine>,

    /// What loads the image: QEMU itself, or GRUB by BIOS or by UEFI [default: kernel].
    #[arg(long)]
    pub boot: Option<Boot>,

    /// What executes it; auto takes KVM where it works, and TCG elsewhere [default: auto].
    #[arg(long)]
    pub accel: Option<Accel>,

    /// CPU model, by QEMU's name [default: all that the accelerator can do].
    #[arg(long, value_name = "MODEL")]
    pub cpu: Option<String>,
}

impl Options {
    /// The machine: what is given here, else what the application's settings say, else what the rest needs.
    ///
    /// # Errors
    /// If they contradict each other.
    pub fn resolve(&self, settings: &Settings) -> anyhow::Result<Config> {
        let defaults = Config::default();
        let smp = self.smp.or(settings.smp).unwrap_or(defaults.smp);
        let boot = self.boot.or(settings.boot).unwrap_or(defaults.boot);
        let needs_q35 = boot != Boot::Kernel || smp > MAX_SMP_XAPIC;
        let usual = if needs_q35 { Machine::Q35 } else { Machine::Microvm };
        let config = Config {
            smp,
            boot,
            mem: self.mem.or(settings.mem).unwrap_or(defaults.mem),
            machine: self.machine.or(settings.machine).unwrap_or(usual),
            accel: self.accel.or(settings.accel).unwrap_or_default(),
            cpu: self.cpu.clone().or_else(|| settings.cpu.clone()),
            vga: boot != Boot::Kernel,
            ..defaults
        };
        config.check()?;
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_comes_before_the_settings_and_these_before_the_defaults() {
        let settings = Settings { smp: Some(8), cpu: Some("qemu64".into()), ..Settings::default() };
        let options = Options { smp: Some(2), mem: Some(Size::mib(64)), ..Options::default() };
        let config = options.resolve(&settings).unwrap();
        assert_eq!((config.smp, config.mem, config.cpu.as_deref()), (2, Size::mib(64), Some("qemu64")));
        let config = Options::default().resolve(&settings).unwrap();
        assert_eq!((config.smp, config.mem), (8, Config::default().mem));
    }

    #[test]
    fn the_board_is_the_smallest_that_has_what_was_asked_for() {
        let machine = |options: Options| options.resolve(&Settings::default()).unwrap().machine;
        assert_eq!(machine(Options::default()), Machine::Microvm);
        assert_eq!(machine(Options { smp: Some(256), ..Options::default() }), Machine::Q35);
        let by_grub = Options { boot: Some("grub-bios".parse().unwrap()), ..Options::default() };
        assert_eq!(machine(by_grub.clone()), Machine::Q35);
        assert_eq!(machine(Options { machine: Some(Machine::Pc), ..by_grub.clone() }), Machine::Pc);
        let contradiction = Options { machine: Some(Machine::Microvm), ..by_grub };
        assert!(contradiction.resolve(&Settings::default()).is_err());
    }
}
