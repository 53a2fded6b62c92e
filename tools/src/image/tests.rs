//! Media that really boot, with a guest that says what it was given.
//!
//! They need QEMU, GRUB, xorriso, mtools and OVMF, and are skipped, with a remark, where one is missing.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::*;
use crate::build::Kind;
use crate::host::find;

mod guest;

const TIMEOUT: Duration = Duration::from_secs(90);

/// What the image is started with: words that each language on the way would mangle.
const ARGS: &str = r#"roost.log=info "two words" it's $HOME \"q\" --"#;
/// The same as GRUB writes it; it means the same words.
const SEEN: &str = r#"roost.log=info "two words" it\'s $HOME \"q\" --"#;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Firmware {
    Bios,
    Uefi,
}

#[derive(Clone, Copy, Debug)]
enum Drive {
    Disc,
    Usb,
    Ahci,
}

#[derive(Clone, Copy, Debug)]
struct Machine {
    board: &'static str,
    firmware: Firmware,
    drive: Drive,
    has_serial: bool,
}

struct Media {
    directory: TempDir,
}

impl Media {
    /// A directory with the guest in it; nothing where tools are missing.
    fn new() -> Option<Self> {
        let missing = Tool::ALL.into_iter().find(|tool| find::look(*tool).path().is_none());
        if let Some(tool) = missing {
            eprintln!("skipped: {} is missing", tool.name());
            return None;
        }
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("guest.elf"), guest::elf()).unwrap();
        Some(Self { directory })
    }

    fn make(&self, format: Format, name: &str) -> PathBuf {
        self.make_with(format, name, &Config { args: ARGS, user: None })
    }

    fn make_with(&self, format: Format, name: &str, config: &Config<'_>) -> PathBuf {
        let path = self.directory.path().join("guest.elf");
        let image = Image { path, name: "guest".into(), kind: Kind::Application, end: 0 };
        let output = self.directory.path().join(name);
        write(&image, format, config, &output).unwrap();
        output
    }

    /// Boots the medium and expects the guest to be given `ARGS`.
    fn boot(&self, medium: &Path, machine: Machine) {
        let line = self.boot_for_line(medium, machine);
        assert_eq!(line, SEEN, "{machine:?}");
    }

    /// Boots the medium and returns the command line that the guest was given.
    fn boot_for_line(&self, medium: &Path, machine: Machine) -> String {
        let mut command = Command::new("qemu-system-x86_64");
        command.args(["-M", machine.board, "-m", "256", "-display", "none", "-no-reboot", "-net", "none"]);
        command.args(["-device", "isa-debug-exit,iobase=0xf4,iosize=0x04"]);
        command.args(["-chardev", "stdio,id=ctl", "-device", "isa-debugcon,iobase=0xe9,chardev=ctl"]);
        command.args(["-serial", if machine.has_serial { "null" } else { "none" }]);
        if machine.firmware == Firmware::Uefi {
            let ovmf = host::ovmf().unwrap();
            let vars = self.directory.path().join("vars.fd");
            fs::copy(&ovmf.vars, &vars).unwrap();
            let flash = |file: &Path, is_constant: &str| {
                format!("if=pflash,format=raw,readonly={is_constant},file={}", file.display())
            };
            command.args(["-drive", &flash(&ovmf.code, "on"), "-drive", &flash(&vars, "off")]);
        }
        match machine.drive {
            Drive::Disc => command.arg("-cdrom").arg(medium),
            Drive::Usb | Drive::Ahci => command
                .args(["-drive", &format!("if=none,id=d,format=raw,file={}", medium.display())])
                .args(match machine.drive {
                    Drive::Usb => ["-device", "qemu-xhci", "-device", "usb-storage,drive=d,bootindex=1"],
                    _ => ["-device", "ahci,id=a", "-device", "ide-hd,drive=d,bus=a.0,bootindex=1"],
                }),
        };
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // The guest says a line and a character, which the pipe holds until the end.
        let (status, printed) = finish(child);
        assert_eq!(status, Some(guest::STATUS), "{machine:?}: {printed}");
        let mut lines = printed.lines();
        let line = lines.next().unwrap_or_default().to_owned();
        assert_eq!(lines.next(), Some(guest::PIXELS), "{machine:?}: {printed}");
        line
    }
}

/// Waits for QEMU's end, or ends it.
fn finish(mut child: Child) -> (Option<i32>, String) {
    let start = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if start.elapsed() > TIMEOUT {
            child.kill().unwrap();
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let output = child.wait_with_output().unwrap();
    let printed = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    (output.status.code(), printed)
}

#[test]
fn an_iso_boots_on_bios_and_hands_its_arguments_over() {
    let Some(media) = Media::new() else { return };
    // A new project's own configuration does what happens without one.
    let user = Some(include_str!("../../app-template/grub.cfg"));
    let iso = media.make_with(Format::Iso, "a.iso", &Config { args: ARGS, user });
    let machine = Machine { board: "q35", firmware: Firmware::Bios, drive: Drive::Disc, has_serial: true };
    media.boot(&iso, machine);
}

#[test]
fn the_users_configuration_starts_the_image_with_further_arguments() {
    let Some(media) = Media::new() else { return };
    let user = "set default=1\nmenuentry a { boot_app no }\nmenuentry b { boot_app -v 'x y' }\n";
    let config = Config { args: "--first", user: Some(user) };
    let iso = media.make_with(Format::Iso, "a.iso", &config);
    let machine = Machine { board: "q35", firmware: Firmware::Bios, drive: Drive::Disc, has_serial: true };
    assert_eq!(media.boot_for_line(&iso, machine), "--first -v \"x y\"");
}

#[test]
fn a_disk_boots_on_bios_without_a_serial_port() {
    let Some(media) = Media::new() else { return };
    let raw = media.make(Format::Raw, "a.img");
    let machine = Machine { board: "pc", firmware: Firmware::Bios, drive: Drive::Usb, has_serial: false };
    media.boot(&raw, machine);
}

#[test]
fn an_iso_and_a_disk_boot_on_uefi() {
    let Some(media) = Media::new() else { return };
    let iso = media.make(Format::Iso, "a.iso");
    let raw = media.make(Format::Raw, "a.img");
    let machine = Machine { board: "q35", firmware: Firmware::Uefi, drive: Drive::Disc, has_serial: true };
    media.boot(&iso, machine);
    media.boot(&raw, Machine { drive: Drive::Ahci, ..machine });
}

#[test]
#[ignore = "takes minutes: every way to boot that there is"]
fn media_boot_on_every_board_from_every_drive_by_every_firmware() {
    let Some(media) = Media::new() else { return };
    let iso = media.make(Format::Iso, "a.iso");
    let raw = media.make(Format::Raw, "a.img");
    for board in ["pc", "q35"] {
        for firmware in [Firmware::Bios, Firmware::Uefi] {
            for has_serial in [true, false] {
                for drive in [Drive::Disc, Drive::Usb, Drive::Ahci] {
                    let machine = Machine { board, firmware, drive, has_serial };
                    let start = Instant::now();
                    media.boot(&iso, machine);
                    if !matches!(drive, Drive::Disc) {
                        media.boot(&raw, machine);
                    }
                    eprintln!("{machine:?}: {:?}", start.elapsed());
                }
            }
        }
    }
}

#[test]
fn the_same_input_gives_the_same_bytes_at_another_time() {
    let Some(media) = Media::new() else { return };
    let make = |names: [&str; 2]| {
        [(Format::Iso, names[0]), (Format::Raw, names[1])]
            .map(|(format, name)| fs::read(media.make(format, name)).unwrap())
    };
    let first = make(["a.iso", "a.img"]);
    // FAT counts in pairs of seconds.
    std::thread::sleep(Duration::from_millis(2100));
    assert!(make(["b.iso", "b.img"]) == first);
}
