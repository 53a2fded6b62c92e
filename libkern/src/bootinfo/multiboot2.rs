//! Multiboot2: a chain of tags, walked with the `multiboot2` crate.
//!
//! The crate checks the chain when it loads it; what is inside a tag it takes from there on trust, and panics where
//! that is misplaced: a cast asserts the tag's size, the memory map its entry size, a framebuffer its palette. So a tag
//! is cast only after its length was checked here, and the memory map, whose entries a later version of the protocol
//! may make longer, is read by the entry size it states.

use core::ops::Range;

use multiboot2::{
    BootInformation, DynSizedStructure, FramebufferField, FramebufferTag, FramebufferType, MaybeDynSized, ModuleTag,
    TagHeader, TagType,
};

use super::bytes::{u32_at, u64_at};
use super::memory::Entry;
use super::text::text;
use super::{BootInfo, Channel, Error, Framebuffer, Kind, Module, Note, PixelFormat, Protocol, rsdp};

/// What EAX holds at the entry.
pub const MAGIC: u32 = multiboot2::MAGIC;

/// The longest information that is looked at, in bytes. GRUB's is a few KiB.
pub const MAX_LEN: usize = 1 << 20;

const ENTRY_LEN: usize = 24;
const TAG_HEADER: usize = size_of::<TagHeader>();

type Tag = DynSizedStructure<TagHeader>;

/// How many bytes to hand to [`parse`], by the first eight bytes of the information. At most [`MAX_LEN`]: what claims
/// more is cut, and [`parse`] will say so.
pub fn len_bytes(head: &[u8; 8]) -> usize {
    (u32_at(head, 0) as usize).min(MAX_LEN)
}

/// Parses the information in `bytes`, which lies at physical `address`, for an image that runs at the physical
/// addresses `image`.
///
/// Needs neither heap nor console; about 4 KiB of stack.
///
/// # Errors
///
/// [`Error::Misaligned`], [`Error::Truncated`] and [`Error::Tags`] if there is no chain of tags in `bytes`;
/// [`Error::NoMemoryMap`] and [`Error::NoUsableMemory`] if there is nothing to run in.
pub fn parse<'a>(bytes: &'a [u8], address: u64, image: &Range<u64>) -> Result<BootInfo<'a>, Error> {
    let loaded = load(bytes)?;
    let mut info = BootInfo::new(Protocol::Multiboot2);
    for tag in loaded.tags().filter(|tag| is(tag, TagType::Mmap)) {
        memory_map(tag.payload(), &mut info);
    }
    info.claim_image(image)?;
    let end = address.saturating_add(loaded.total_size() as u64);
    info.memory.claim(address, end, Kind::BootData);
    for tag in loaded.tags() {
        // The crate lends tags for as long as `loaded` lives; the same bytes live longer.
        let at = tag.payload().as_ptr().addr() - bytes.as_ptr().addr();
        let payload = &bytes[at..at + tag.payload().len()];
        match tag.header().typ.into() {
            TagType::Cmdline => {
                info.command_line = text(payload, "command line", &mut info.notes);
            }
            TagType::BootLoaderName => {
                info.loader = Some(text(payload, "loader's name", &mut info.notes));
            }
            TagType::Module => module(tag, payload, &mut info),
            TagType::AcpiV1 | TagType::AcpiV2 => acpi(payload, address.saturating_add(at as u64), &mut info),
            _ => {}
        }
    }
    // Last, because it is judged by the finished memory map.
    if let Some(tag) = loaded.tags().find(|tag| is(tag, TagType::Framebuffer)) {
        framebuffer(tag, &mut info);
    }
    info.finish()
}

/// Checks the chain of tags.
fn load(bytes: &[u8]) -> Result<BootInformation<'_>, Error> {
    if !bytes.as_ptr().addr().is_multiple_of(8) {
        return Err(Error::Misaligned);
    }
    let available = bytes.len() as u64;
    let Some(head) = bytes.first_chunk::<TAG_HEADER>() else {
        let claimed = TAG_HEADER as u64;
        return Err(Error::Truncated { claimed, available });
    };
    let claimed = u64::from(u32_at(head, 0));
    if claimed > available {
        return Err(Error::Truncated { claimed, available });
    }
    // SAFETY: the total size, which `load` reads from the first word, is at most `bytes.len()` bytes, which are
    // borrowed for as long as what is returned.
    unsafe { BootInformation::load(bytes.as_ptr().cast()) }.map_err(Error::Tags)
}

fn is(tag: &Tag, wanted: TagType) -> bool {
    tag.header().typ == wanted
}

/// Checks that a tag is long enough to be cast to `T`, whose length is variable, with `extra` bytes in its variable
/// part. Notes it if not.
fn is_long_enough<T>(tag: &Tag, extra: usize, info: &mut BootInfo<'_>) -> bool
where
    T: MaybeDynSized<Header = TagHeader> + ?Sized,
{
    let fits = tag.payload().len() + TAG_HEADER >= T::BASE_SIZE + extra;
    if !fits {
        let tag = tag.header().typ.get();
        info.notes.add(Note::TagShort { tag });
    }
    fits
}

fn memory_map(payload: &[u8], info: &mut BootInfo<'_>) {
    let short = Note::TagShort { tag: TagType::Mmap.val() };
    let Some((head, entries)) = payload.split_at_checked(8) else {
        return info.notes.add(short);
    };
    // Later versions may append to an entry, never shorten it.
    let entry_len = u32_at(head, 0) as usize;
    if entry_len < ENTRY_LEN {
        return info.notes.add(short);
    }
    let entries = entries.chunks_exact(entry_len);
    if !entries.remainder().is_empty() {
        info.notes.add(Note::MemoryMapShort { claimed: entries.len() as u64 + 1, read: entries.len() as u64 });
    }
    let entries = entries.map(|entry| Entry {
        start: u64_at(entry, 0),
        len: u64_at(entry, 8),
        kind: Kind::from_e820(u32_at(entry, 16)),
    });
    info.memory.report(entries, &mut info.notes);
}

fn module<'a>(tag: &Tag, payload: &'a [u8], info: &mut BootInfo<'a>) {
    if !is_long_enough::<ModuleTag>(tag, 0, info) {
        return;
    }
    let module = tag.cast::<ModuleTag>();
    let words = &payload[ModuleTag::BASE_SIZE - TAG_HEADER..];
    let command_line = text(words, "command line of a module", &mut info.notes);
    info.add_module(Module { start: module.start_address().into(), end: module.end_address().into(), command_line });
}

/// Takes the loader's copy of the pointer to ACPI's tables, at physical address `phys`. A later revision replaces an
/// earlier one.
fn acpi(payload: &[u8], phys: u64, info: &mut BootInfo<'_>) {
    if !rsdp::is_valid(payload) {
        info.notes.add(Note::RsdpBad);
    } else if info.rsdp.is_none() || payload.len() >= rsdp::LEN_V2 {
        info.rsdp = Some(phys);
    }
}

fn framebuffer(tag: &Tag, info: &mut BootInfo<'_>) {
    if !is_long_enough::<FramebufferTag>(tag, 0, info) {
        return;
    }
    // The crate panics over a colour description that is cut short, so its length is checked before it looks.
    let variable = FramebufferTag::BASE_SIZE - TAG_HEADER;
    let (fixed, colours) = tag.payload().split_at(variable);
    let colours_len = match (fixed[21], colours) {
        (0, [low, high, ..]) => 2 + 3 * usize::from(u16::from_le_bytes([*low, *high])),
        (0, _) => 2,
        (1, _) => 6,
        _ => 0,
    };
    if !is_long_enough::<FramebufferTag>(tag, colours_len, info) {
        return;
    }
    let tag = tag.cast::<FramebufferTag>();
    let channel = |field: FramebufferField| Channel { position: field.position, size: field.size };
    let format = match tag.buffer_type() {
        Ok(FramebufferType::RGB { red, green, blue }) => {
            PixelFormat::Rgb { red: channel(red), green: channel(green), blue: channel(blue) }
        }
        Ok(FramebufferType::Indexed { .. }) => PixelFormat::Indexed,
        Ok(FramebufferType::Text) => PixelFormat::EgaText,
        Err(_) => return info.notes.add(Note::FramebufferBad),
    };
    let framebuffer = Framebuffer {
        phys: tag.address(),
        pitch: tag.pitch(),
        width: tag.width(),
        height: tag.height(),
        bpp: tag.bpp(),
        format,
    };
    if framebuffer.is_plausible(&info.memory) {
        info.framebuffer = Some(framebuffer);
    } else {
        info.notes.add(Note::FramebufferBad);
    }
}

#[cfg(test)]
mod tests;
