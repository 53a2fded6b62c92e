//! PVH: Xen's start information, as QEMU, Firecracker and Cloud Hypervisor leave it.
//!
//! A structure of 40 bytes, 56 since version 1, whose physical address is in EBX at the entry. It holds physical
//! addresses of everything else, so this parser is given a way to read physical memory instead of a slice. All numbers
//! are little-endian.
//!
//! ```text
//!  0  u32 magic, 0x336ec578          module, 32 bytes:        memory map entry, 24 bytes:
//!  4  u32 version                     0  u64 start             0  u64 start
//!  8  u32 flags                       8  u64 length            8  u64 length
//! 12  u32 number of modules          16  u64 command line     16  u32 kind, as in the PC's map
//! 16  u64 list of modules            24  u64 unused           20  u32 unused
//! 24  u64 command line
//! 32  u64 ACPI's pointer
//! 40  u64 memory map        from version 1 on
//! 48  u32 number of entries
//! ```
//!
//! An address of 0 means that there is none.

use core::ops::Range;

use super::bytes::{u32_at, u64_at};
use super::memory::Entry;
use super::text::text;
use super::{BootInfo, Error, Kind, MAX_MODULES, Module, Note, PAGE, Protocol, rsdp};

const MAGIC: u32 = 0x336e_c578;
const LEN_V0: usize = 40;
const LEN_V1: usize = 56;
const MODULE_LEN: usize = 32;
const ENTRY_LEN: usize = 24;

/// The longest text that is read, in bytes with its NUL.
const MAX_TEXT: usize = PAGE as usize;

/// The most entries of the memory map that are looked at.
const MAX_ENTRIES: u32 = 1 << 14;

/// The most modules that are looked at.
const MAX_LISTED: u32 = 2 * MAX_MODULES as u32;

/// Parses the information at physical address `start_info`, for an image that runs at the physical addresses `image`.
///
/// `read(address, len)` gives the bytes at a physical address, or `None` unless all of them can be read. It is never
/// called with a range that wraps or that touches the image.
///
/// Needs neither heap nor console; about 4 KiB of stack.
///
/// # Errors
///
/// [`Error::Unreadable`] and [`Error::Magic`] if there is no such structure; [`Error::NoMemoryMap`] and
/// [`Error::NoUsableMemory`] if there is nothing to run in.
pub fn parse<'a>(
    read: impl Fn(u64, usize) -> Option<&'a [u8]>,
    start_info: u64,
    image: &Range<u64>,
) -> Result<BootInfo<'a>, Error> {
    let physical = Physical { read, image };
    let unreadable = Error::Unreadable { what: "PVH start info", address: start_info };
    let head = physical.bytes(start_info, LEN_V0).ok_or(unreadable)?;
    if u32_at(head, 0) != MAGIC {
        return Err(Error::Magic(u32_at(head, 0)));
    }
    if u32_at(head, 4) == 0 {
        return Err(Error::NoMemoryMap);
    }
    let head = physical.bytes(start_info, LEN_V1).ok_or(unreadable)?;

    let mut info = BootInfo::new(Protocol::Pvh);
    memory_map(&physical, u64_at(head, 40), u32_at(head, 48), &mut info);
    info.claim_image(image)?;
    info.command_line = physical.text(u64_at(head, 24), "command line", &mut info);
    modules(&physical, u64_at(head, 16), u32_at(head, 12), &mut info);
    info.rsdp = acpi(&physical, u64_at(head, 32), &mut info);
    info.finish()
}

/// Physical memory but for the image: what lies there belongs to Rust, not to the loader.
struct Physical<'i, F> {
    read: F,
    image: &'i Range<u64>,
}

impl<'a, F: Fn(u64, usize) -> Option<&'a [u8]>> Physical<'_, F> {
    fn bytes(&self, start: u64, len: usize) -> Option<&'a [u8]> {
        let end = start.checked_add(len as u64)?;
        let touches_image = start < self.image.end && self.image.start < end;
        if touches_image || start == 0 {
            return None;
        }
        // A reader that gives less than it was asked for would be a bug of ours, but is cheap to bear.
        (self.read)(start, len).filter(|bytes| bytes.len() == len)
    }

    /// Element `index` of a list of elements of `len` bytes.
    fn element(&self, list: u64, index: u32, len: usize) -> Option<&'a [u8]> {
        self.bytes(list.checked_add(u64::from(index) * len as u64)?, len)
    }

    /// The text at `start`, which is claimed as boot data; empty if there is none.
    fn text(&self, start: u64, what: &'static str, info: &mut BootInfo<'a>) -> &'a str {
        if start == 0 {
            return "";
        }
        // It is not known how far one may read, so it is done page by page.
        let to_page_end = (PAGE - start % PAGE) as usize;
        let first = self.bytes(start, to_page_end);
        let bytes = match first {
            Some(page) if page.contains(&0) => first,
            _ => self.bytes(start, MAX_TEXT).or(first),
        };
        let Some(bytes) = bytes else {
            info.notes.add(Note::TextUnreadable { what });
            return "";
        };
        let text = text(bytes, what, &mut info.notes);
        let end = start + text.len() as u64 + 1;
        info.memory.claim(start, end, Kind::BootData);
        text
    }
}

fn memory_map<'a, F>(physical: &Physical<'_, F>, list: u64, claimed: u32, info: &mut BootInfo<'a>)
where
    F: Fn(u64, usize) -> Option<&'a [u8]>,
{
    let entries =
        (0..claimed.min(MAX_ENTRIES)).map_while(|index| physical.element(list, index, ENTRY_LEN)).map(|entry| Entry {
            start: u64_at(entry, 0),
            len: u64_at(entry, 8),
            kind: Kind::from_e820(u32_at(entry, 16)),
        });
    let read = entries.clone().count() as u64;
    let claimed = u64::from(claimed);
    if read < claimed {
        info.notes.add(Note::MemoryMapShort { claimed, read });
    }
    info.memory.report(entries, &mut info.notes);
}

fn modules<'a, F>(physical: &Physical<'_, F>, list: u64, claimed: u32, info: &mut BootInfo<'a>)
where
    F: Fn(u64, usize) -> Option<&'a [u8]>,
{
    let list = (0..claimed.min(MAX_LISTED)).map_while(|index| physical.element(list, index, MODULE_LEN));
    let mut read = 0;
    for module in list {
        let start = u64_at(module, 0);
        let end = start.saturating_add(u64_at(module, 8));
        let command_line = physical.text(u64_at(module, 16), "command line of a module", info);
        info.add_module(Module { start, end, command_line });
        read += 1;
    }
    let claimed = u64::from(claimed);
    if read < claimed {
        info.notes.add(Note::ModuleListShort { claimed, read });
    }
}

fn acpi<'a, F>(physical: &Physical<'_, F>, phys: u64, info: &mut BootInfo<'a>) -> Option<u64>
where
    F: Fn(u64, usize) -> Option<&'a [u8]>,
{
    if phys == 0 {
        return None;
    }
    let bytes = physical.bytes(phys, rsdp::LEN_V2);
    let bytes = bytes.or_else(|| physical.bytes(phys, rsdp::LEN_V1));
    if !bytes.is_some_and(rsdp::is_valid) {
        info.notes.add(Note::RsdpBad);
        return None;
    }
    Some(phys)
}

#[cfg(test)]
mod tests;
