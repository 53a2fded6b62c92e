//! The options by which every command lets its user choose a machine.

use std::path::PathBuf;

use super::accel::Accel;
use super::config::{Config, MAX_SMP, MAX_SMP_XAPIC};
use super::machine::{Boot, Machine};
use super::screen::Screen;
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

    /// Give the machine a screen and a keyboard, and open a window for them where that can be.
    #[arg(long, conflicts_with = "screenshot")]
    pub display: bool,

    /// Give the machine a screen, and write what is on it when the run ends to a file: PNG, or PPM if its name ends so.
    #[arg(long, value_name = "FILE")]
    pub screenshot: Option<PathBuf>,
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
        let screen = match &self.screenshot {
            Some(file) => Screen::Picture(file.clone()),
            None if self.display || settings.display == Some(true) => Screen::Window,
            None => Screen::Hidden,
        };
        let has_screen = screen != Screen::Hidden;
        // The microvm has no keyboard.
        let needs_q35 = boot != Boot::Kernel || smp > MAX_SMP_XAPIC || has_screen;
        let usual = if needs_q35 { Machine::Q35 } else { Machine::Microvm };
        let config = Config {
            smp,
            boot,
            mem: self.mem.or(settings.mem).unwrap_or(defaults.mem),
            machine: self.machine.or(settings.machine).unwrap_or(usual),
            accel: self.accel.or(settings.accel).unwrap_or_default(),
            cpu: self.cpu.clone().or_else(|| settings.cpu.clone()),
            vga: boot != Boot::Kernel,
            ramfb: has_screen && boot == Boot::Kernel,
            screen,
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
    fn a_machine_has_a_screen_where_somebody_wants_one() {
        let config = |options: &Options, settings: &Settings| options.resolve(settings).unwrap();
        let (usual, wants) = (Settings::default(), Settings { display: Some(true), ..Settings::default() });
        let none = config(&Options::default(), &usual);
        assert_eq!((none.ramfb, none.screen), (false, Screen::Hidden));
        let window = config(&Options::default(), &wants);
        assert_eq!((window.ramfb, window.screen), (true, Screen::Window));
        let picture = Options { screenshot: Some("a.png".into()), boot: Some(Boot::Kernel), ..Options::default() };
        assert_eq!(config(&picture, &wants).screen, Screen::Picture("a.png".into()));
        let by_grub = Options { boot: Some("grub-bios".parse().unwrap()), ..picture };
        assert!(config(&by_grub, &usual).vga && !config(&by_grub, &usual).ramfb, "GRUB hands over its own");
    }

    #[test]
    fn the_board_is_the_smallest_that_has_what_was_asked_for() {
        let machine = |options: Options| options.resolve(&Settings::default()).unwrap().machine;
        assert_eq!(machine(Options::default()), Machine::Microvm);
        assert_eq!(machine(Options { display: true, ..Options::default() }), Machine::Q35);
        assert_eq!(machine(Options { smp: Some(256), ..Options::default() }), Machine::Q35);
        let by_grub = Options { boot: Some("grub-bios".parse().unwrap()), ..Options::default() };
        assert_eq!(machine(by_grub.clone()), Machine::Q35);
        assert_eq!(machine(Options { machine: Some(Machine::Pc), ..by_grub.clone() }), Machine::Pc);
        let contradiction = Options { machine: Some(Machine::Microvm), ..by_grub };
        assert!(contradiction.resolve(&Settings::default()).is_err());
    }
}
