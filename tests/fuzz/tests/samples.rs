//! What the samples taken from machines say.

use std::fs;
use std::path::Path;

use libkern::bootinfo::{self, BootInfo, Kind, PixelFormat, rsdp, s5};

/// A sample, in words so that it is aligned.
fn sample(name: &str) -> (Vec<u64>, usize) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
    let bytes = fs::read(&path).expect("there is such a sample");
    let word = |chunk: &[u8]| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        u64::from_ne_bytes(word)
    };
    (bytes.chunks(8).map(word).collect(), bytes.len())
}

fn bytes((words, len): &(Vec<u64>, usize)) -> &[u8] {
    // SAFETY: the vector's bytes, of which there are at least `len`.
    unsafe { std::slice::from_raw_parts(words.as_ptr().cast(), *len) }
}

const COMMAND_LINE: &str = "roost.log=info a \"b c\" -- x";

fn check_common(info: &BootInfo<'_>, modules: usize) {
    assert_eq!(info.notes(), []);
    assert_eq!(info.command_line, COMMAND_LINE);
    assert_eq!(info.modules.len(), modules);
    assert!(info.modules.iter().all(|module| module.end - module.start == 0xb1));
    assert!(info.rsdp.is_some());
    let image = info.memory.regions().iter().find(|region| region.kind == Kind::Image);
    assert_eq!(image.map(|image| image.start), Some(0x20_0000));
}

#[test]
fn grubs_information_is_understood() {
    let usable_mib = |info: &BootInfo<'_>| info.memory.usable_bytes() >> 20;
    for (name, address, mib) in [("multiboot2/grub-bios", 0x1f_3118, 254), ("multiboot2/grub-uefi", 0x9_9000, 249)] {
        let sample = sample(name);
        let info = bootinfo::multiboot2::parse(bytes(&sample), address, &(0x20_0000..0x2e_6000));
        let info = info.expect("it booted with it");
        check_common(&info, 1);
        assert_eq!(info.loader, Some("GRUB 2.06-13+deb12u2"));
        assert_eq!(info.modules[0].command_line, "disk one");
        assert_eq!(usable_mib(&info), mib, "{name}");
        let screen = info.framebuffer.expect("a screen");
        assert_eq!((screen.width, screen.height, screen.bpp, screen.pitch), (1024, 768, 32, 4096));
        assert!(matches!(screen.format, PixelFormat::Rgb { red, .. } if red.position == 16));
    }
}

#[test]
fn qemus_pvh_information_is_understood() {
    for (name, modules, mib) in [("pvh/microvm-initrd", 1, 62), ("pvh/q35-6g", 0, 6142)] {
        let sample = sample(name);
        let bytes = bytes(&sample);
        let read = |start: u64, len: usize| bytes.get(start as usize..start as usize + len);
        let info = bootinfo::pvh::parse(read, 0x40, &(0x20_0000..0x2e_6000)).expect("it booted with it");
        check_common(&info, modules);
        assert_eq!(info.memory.usable_bytes() >> 20, mib, "{name}");
    }
}

#[test]
fn qemus_acpi_is_understood() {
    for (name, sleep_type) in [("acpi/microvm", (5, 0)), ("acpi/q35", (0, 0)), ("acpi/pc", (0, 0))] {
        let sample = sample(name);
        assert_eq!(rsdp::find(bytes(&sample)), Some(32), "{name}");
        assert_eq!(s5::sleep_type(bytes(&sample)), Some(sleep_type), "{name}");
    }
}
