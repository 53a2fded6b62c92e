//! What loaders and firmware leave in memory.

use std::ops::Range;

use libkern::bootinfo::{self, BootInfo, Error, Framebuffer, Kind, PAGE, PixelFormat, Region, rsdp, s5};
use libkern::console::framebuffer::Screen;
use libkern::console::{Sink, Turn};

const IMAGE: Range<u64> = 0x20_0000..0x2c_0000;

/// Where the multiboot2 information is said to lie.
const ADDRESS: u64 = 0x9_9000;

/// The largest framebuffer that is drawn into, in bytes.
const MAX_SCREEN: u64 = 1 << 20;

/// Multiboot2 information.
pub fn multiboot2(data: &[u8]) {
    // The protocol aligns it to eight bytes, which a vector of bytes need not be.
    let mut words = vec![0u64; data.len().div_ceil(8)];
    // SAFETY: the vector's bytes, of which there are as many as in `data` or a few more.
    let bytes = unsafe { std::slice::from_raw_parts_mut(words.as_mut_ptr().cast::<u8>(), data.len()) };
    bytes.copy_from_slice(data);
    if let Some(head) = bytes.first_chunk() {
        assert!(bootinfo::multiboot2::len_bytes(head) <= bootinfo::multiboot2::MAX_LEN);
    }
    let result = bootinfo::multiboot2::parse(bytes, ADDRESS, &IMAGE);
    check(&result);
    let Ok(info) = result else { return };
    if let Some(pointer) = info.rsdp {
        let at = (pointer - ADDRESS) as usize;
        assert!(rsdp::is_valid(&bytes[at..]), "a wrong pointer was accepted");
    }
    if let Some(framebuffer) = info.framebuffer {
        check_framebuffer(&framebuffer, &info);
        draw(&framebuffer, info.command_line);
    }
}

/// PVH start information in physical memory that begins at 0 and is as long as the data; its address is in the first
/// four bytes.
pub fn pvh(data: &[u8]) {
    let Some(address) = data.first_chunk() else { return };
    let read = |start: u64, len: usize| {
        let end = start.checked_add(len as u64).expect("a range that wraps was asked for");
        assert!(end <= IMAGE.start || start >= IMAGE.end, "the image was asked for");
        data.get(usize::try_from(start).ok()?..usize::try_from(end).ok()?)
    };
    let result = bootinfo::pvh::parse(read, u32::from_le_bytes(*address).into(), &IMAGE);
    check(&result);
    let Ok(info) = result else { return };
    if let Some(pointer) = info.rsdp {
        assert!(rsdp::is_valid(&data[pointer as usize..]), "a wrong pointer was accepted");
    }
}

/// Memory in which the pointer to ACPI's tables is looked for, and AML in which the sleep type is.
pub fn acpi(data: &[u8]) {
    if let Some(at) = rsdp::find(data) {
        assert!(at % 16 == 0 && rsdp::is_valid(&data[at..]));
    }
    if let Some((a, b)) = s5::sleep_type(data) {
        assert!(a < 8 && b < 8, "no sleep type: {a}, {b}");
    }
}

/// What every result promises.
fn check(result: &Result<BootInfo<'_>, Error>) {
    let info = match result {
        Ok(info) => info,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    for note in info.notes() {
        assert!(!note.to_string().is_empty());
    }
    let regions = info.memory.regions();
    for region in regions {
        assert!(region.start < region.end, "an empty region");
        assert!(region.start % PAGE == 0 && region.end % PAGE == 0, "a piece of a page");
        assert!(region.end <= 1 << 52, "no such memory");
    }
    for pair in regions.windows(2) {
        assert!(pair[0].end <= pair[1].start, "{pair:x?} overlap");
        assert!(pair[0].end < pair[1].start || pair[0].kind != pair[1].kind, "{pair:x?} are one");
    }
    assert!(info.memory.usable_bytes() > 0, "nothing to run in");
    for usable in info.memory.usable() {
        assert!(usable.end <= IMAGE.start || IMAGE.end <= usable.start, "the image was given away");
        for module in &info.modules {
            assert!(usable.end <= module.start || module.end <= usable.start, "a module was given away");
        }
    }
    for (at, module) in info.modules.iter().enumerate() {
        assert!(module.start < module.end, "an empty module");
        assert!(module.end <= IMAGE.start || IMAGE.end <= module.start, "a module in the image");
        for other in &info.modules[..at] {
            assert!(module.end <= other.start || other.end <= module.start, "modules overlap");
        }
    }
    assert!(!info.command_line.contains('\0'));
    super::command_line(info.command_line.as_bytes());
}

fn check_framebuffer(framebuffer: &Framebuffer, info: &BootInfo<'_>) {
    let end = framebuffer.phys.checked_add(framebuffer.len_bytes()).expect("it wraps");
    let is_memory = |region: &&Region| region.kind != Kind::Reserved;
    for region in info.memory.regions().iter().filter(is_memory) {
        assert!(region.end <= framebuffer.phys || end <= region.start, "a screen in memory");
    }
}

/// Draws text on a screen of this geometry, if it is small enough, and looks whether it stays within it.
fn draw(framebuffer: &Framebuffer, text: &str) {
    const GUARD: u8 = 0xa5;
    const GUARDS: usize = 4096;
    let len = framebuffer.len_bytes();
    if len > MAX_SCREEN {
        return;
    }
    let len = len as usize;
    let mut pixels = vec![GUARD; len + 2 * GUARDS];
    // SAFETY: the middle of the vector, which is as long as the framebuffer and outlives the screen.
    let screen = unsafe { Screen::new(framebuffer, pixels.as_mut_ptr().add(GUARDS)) };
    let Some(screen) = screen else { return };
    assert_ne!(framebuffer.format, PixelFormat::Indexed);
    // SAFETY: nobody else has a turn for this screen.
    let mut turn = unsafe { Turn::new() };
    screen.write(text.as_bytes(), &mut turn);
    screen.flush(&mut turn);
    drop(screen);
    assert!(pixels[..GUARDS].iter().chain(&pixels[GUARDS + len..]).all(|&byte| byte == GUARD), "drawn outside");
}
