//! QEMU's command line.

use std::ffi::OsString;
use std::path::Path;

use super::accel::Accel;
use super::config::{Config, MAX_SMP_XAPIC};
use super::firmware::Files;
use super::machine::{Boot, Machine, Medium};

/// What is particular to one run of a [`Config`].
pub struct Run<'a> {
    /// The machine.
    pub config: &'a Config,
    /// What `config.accel` came to.
    pub accel: Accel,
    /// What it boots from.
    pub files: &'a Files,
    /// Number of the file descriptor that carries the control channel.
    pub control: i32,
    /// What opens a window, if there is to be one.
    pub window: Option<&'static str>,
    /// Number of the one that carries the monitor, if there is one.
    pub monitor: Option<i32>,
}

impl Run<'_> {
    /// The arguments, without the program.
    pub fn arguments(&self) -> Vec<OsString> {
        let mut args = Arguments(Vec::new());
        // Nothing that was not asked for: no default devices, no user's configuration, no window. A guest
        // that resets, or dies of a triple fault, ends QEMU.
        args.add(&["-nodefaults", "-no-user-config", "-display", self.window.unwrap_or("none"), "-no-reboot"]);
        self.machine(&mut args);
        self.channels(&mut args);
        self.boot(&mut args);
        if let Some(port) = self.config.gdb {
            args.add(&["-S", "-gdb", &format!("tcp:127.0.0.1:{port}")]);
        }
        args.0.extend(self.config.extra.iter().map(OsString::from));
        args.0
    }

    fn machine(&self, args: &mut Arguments) {
        let Config { smp, mem, machine, .. } = self.config;
        let serial = if self.config.serial { "" } else { ",isa-serial=off" };
        let remapped = *smp > MAX_SMP_XAPIC;
        let board = match machine {
            Machine::Microvm => format!("microvm,acpi=on,rtc=on,pic=on,pit=on{serial}"),
            // The interrupt controller of more cores than xAPIC can name is split: QEMU keeps the IOAPIC,
            // and an IOMMU remaps to 32-bit ids.
            Machine::Q35 if remapped => "q35,kernel-irqchip=split".to_owned(),
            Machine::Q35 => "q35".to_owned(),
            Machine::Pc => "pc".to_owned(),
        };
        args.add(&["-M", &board, "-smp", &smp.to_string(), "-m", &format!("{}K", mem.kib())]);
        if *machine == Machine::Microvm {
            // The firmware that QEMU has for this board when it is without ACPI. It knows ACPI, too, and does
            // not look for disks that are not there, as SeaBIOS does: the first line comes 0.06 s earlier.
            args.add(&["-bios", "qboot.rom"]);
        }
        if remapped {
            args.add(&["-device", "intel-iommu,intremap=on,eim=on"]);
        }
        let (accel, best_cpu) = match self.accel {
            Accel::Kvm => ("kvm", "host"),
            Accel::Tcg | Accel::Auto => ("tcg", "max"),
        };
        let accel = std::iter::once(accel).chain(self.config.accel_options.iter().map(String::as_str));
        args.add(&["-accel", &accel.collect::<Vec<_>>().join(",")]);
        args.add(&["-cpu", self.config.cpu.as_deref().unwrap_or(best_cpu)]);
        if self.config.vga {
            args.add(&["-vga", "std"]);
        }
        if self.config.ramfb {
            args.add(&["-device", "ramfb"]);
        }
    }

    fn channels(&self, args: &mut Arguments) {
        if self.config.serial {
            args.add(&["-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console"]);
        }
        args.add(&["-chardev", &format!("socket,id=control,fd={}", self.control)]);
        args.add(&["-device", "isa-debugcon,iobase=0xe9,chardev=control"]);
        args.add(&["-device", "isa-debug-exit,iobase=0xf4,iosize=0x04"]);
        if let Some(fd) = self.monitor {
            args.add(&["-chardev", &format!("socket,id=monitor,fd={fd}"), "-mon", "chardev=monitor,mode=control"]);
            args.add(&["-action", "shutdown=pause"]);
        }
    }

    fn boot(&self, args: &mut Arguments) {
        let boot = &self.files.boot;
        let Boot::Grub(_, medium) = self.config.boot else {
            args.0.extend(["-kernel".into(), boot.into()]);
            args.add(&["-append", &self.config.append]);
            return;
        };
        if let Some(flash) = &self.files.flash {
            let code = file(&flash.code);
            args.add(&["-drive", &format!("if=pflash,unit=0,format=raw,readonly=on,{code}")]);
            args.add(&["-drive", &format!("if=pflash,unit=1,format=raw,{}", file(&flash.vars))]);
        }
        // What the guest writes to a disk is forgotten.
        let access = if medium == Medium::Cd { "readonly=on" } else { "snapshot=on" };
        args.add(&["-drive", &format!("if=none,id=boot,format=raw,{access},{}", file(boot))]);
        let is_pc = self.config.machine == Machine::Pc;
        match medium {
            Medium::Cd => args.add(&["-device", "ide-cd,drive=boot,bootindex=0"]),
            Medium::Usb => {
                args.add(&["-device", "qemu-xhci"]);
                args.add(&["-device", "usb-storage,drive=boot,bootindex=0"]);
            }
            Medium::Ahci => {
                // The pc board's own controller is no AHCI.
                let bus = if is_pc { "ahci.0" } else { "ide.0" };
                if is_pc {
                    args.add(&["-device", "ahci,id=ahci"]);
                }
                args.add(&["-device", &format!("ide-hd,drive=boot,bus={bus},bootindex=0")]);
            }
        }
    }
}

struct Arguments(Vec<OsString>);

impl Arguments {
    fn add(&mut self, args: &[&str]) {
        self.0.extend(args.iter().map(OsString::from));
    }
}

/// A file as a property: within one, QEMU reads two commas as one.
fn file(path: &Path) -> String {
    format!("file={}", path.to_string_lossy().replace(',', ",,"))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::qemu::firmware::Flash;

    /// The command line of a machine, words joined by blanks.
    fn line(config: &Config, accel: Accel) -> String {
        let flash = Flash { code: "/ovmf/code.fd".into(), vars: "/run/a,b/vars.fd".into() };
        let files =
            Files::of(PathBuf::from("/run/a,b/boot"), config.boot.to_string().contains("uefi").then_some(flash));
        let words =
            Run { config, accel, files: &files, control: 7, window: None, monitor: config.monitor.then_some(8) }
                .arguments();
        words.join(std::ffi::OsStr::new(" ")).into_string().unwrap()
    }

    fn booted_by(boot: &str, machine: Machine) -> String {
        line(&Config { boot: boot.parse().unwrap(), machine, ..Config::default() }, Accel::Tcg)
    }

    #[test]
    fn the_usual_machine_is_a_microvm_with_the_best_cpu_of_its_accelerator() {
        let config = Config { append: "a b".into(), ..Config::default() };
        let tcg = line(&config, Accel::Tcg);
        for words in [
            "-M microvm,acpi=on,rtc=on,pic=on,pit=on -smp 4 -m 131072K -bios qboot.rom -accel tcg -cpu max",
            "-serial chardev:console -chardev socket,id=control,fd=7",
            "-kernel /run/a,b/boot -append a b",
        ] {
            assert!(tcg.contains(words), "{tcg}");
        }
        assert!(line(&config, Accel::Kvm).contains("-accel kvm -cpu host"));
    }

    #[test]
    fn what_is_asked_for_is_passed_on() {
        let config = Config {
            cpu: Some("qemu64".into()),
            accel_options: vec!["thread=single".into(), "one-insn-per-tb=on".into()],
            serial: false,
            vga: true,
            gdb: Some(1234),
            extra: vec!["-icount".into(), "shift=0".into()],
            ..Config::default()
        };
        let line = line(&config, Accel::Tcg);
        for words in [
            "pit=on,isa-serial=off -smp",
            "-accel tcg,thread=single,one-insn-per-tb=on -cpu qemu64 -vga std",
            "-S -gdb tcp:127.0.0.1:1234 -icount shift=0",
        ] {
            assert!(line.contains(words), "{line}");
        }
        assert!(!line.contains("console"), "{line}");
    }

    #[test]
    fn a_screen_is_shown_as_was_asked_for() {
        let line = |config: Config| line(&config, Accel::Tcg);
        let hidden = line(Config::default());
        assert!(hidden.contains("-display none") && !hidden.contains("ramfb") && !hidden.contains("-mon"), "{hidden}");
        let shown = line(Config { ramfb: true, ..Config::default() });
        assert!(shown.contains("-device ramfb") && !shown.contains("-mon"), "{shown}");
        let watched = line(Config { monitor: true, ..Config::default() });
        let words = "socket,id=monitor,fd=8 -mon chardev=monitor,mode=control -action shutdown=pause";
        assert!(watched.contains(words), "{watched}");
    }

    #[test]
    fn more_cores_than_xapic_can_name_get_an_iommu() {
        let line = |smp| line(&Config { smp, machine: Machine::Q35, ..Config::default() }, Accel::Tcg);
        assert!(line(256).contains("-M q35,kernel-irqchip=split -smp 256"), "{}", line(256));
        assert!(line(256).contains("-device intel-iommu,intremap=on,eim=on"));
        assert!(line(255).contains("-M q35 -smp 255") && !line(255).contains("iommu"));
    }

    #[test]
    fn a_medium_is_in_the_drive_that_was_asked_for() {
        let file = "file=/run/a,,b/boot";
        let cd = booted_by("grub-bios", Machine::Q35);
        assert!(cd.contains(&format!("if=none,id=boot,format=raw,readonly=on,{file} -device ide-cd,")), "{cd}");
        let usb = booted_by("grub-uefi-usb", Machine::Pc);
        assert!(usb.contains(&format!("snapshot=on,{file} -device qemu-xhci -device usb-storage,")), "{usb}");
        let uefi = "if=pflash,unit=0,format=raw,readonly=on,file=/ovmf/code.fd \
                    -drive if=pflash,unit=1,format=raw,file=/run/a,,b/vars.fd";
        assert!(usb.contains(uefi) && !cd.contains("pflash"), "{usb}");
        let ahci = |machine| booted_by("grub-bios-ahci", machine);
        assert!(ahci(Machine::Q35).contains("ide-hd,drive=boot,bus=ide.0"));
        assert!(ahci(Machine::Pc).contains("-device ahci,id=ahci -device ide-hd,drive=boot,bus=ahci.0"));
        assert!(!booted_by("kernel", Machine::Pc).contains("-drive"));
    }
}
