//! The entry for GRUB: a multiboot2 header near the beginning of the file. And no header of version 1, with
//! which QEMU would boot by another protocol than the one that it is meant to.

use super::elf::Elf;
use super::flaw::Flaw;

/// The header is in this many first bytes of the file, aligned to 8.
const SEARCHED: usize = 32 << 10;
const MAGIC: u32 = 0xe852_50d6;
const HEADER_LEN: usize = 16;
const I386: u32 = 0;

const TAG_END: u16 = 0;
const TAG_ENTRY: u16 = 3;
const ENTRY_TAG_LEN: usize = 12;

/// Version 1 has another magic, is aligned to 4, and QEMU looks for it here.
const SEARCHED_V1: usize = 8 << 10;
const MAGIC_V1: u32 = 0x1bad_b002;

/// Checks header and entry.
pub fn check(elf: &Elf) -> Result<(), Flaw> {
    if let Some(at) = version1(elf.bytes) {
        return Err(Flaw::Multiboot1(at));
    }
    let entry = entry(header(elf.bytes)?)?;
    if elf.has_code_at(entry.into()) { Ok(()) } else { Err(Flaw::Multiboot2Entry(entry)) }
}

/// The tags of the first valid header.
fn header(bytes: &[u8]) -> Result<&[u8], Flaw> {
    let searched = &bytes[..bytes.len().min(SEARCHED)];
    let mut flaw = Flaw::NoMultiboot2;
    for at in (0..searched.len()).step_by(8) {
        let Some([MAGIC, architecture, len, checksum]) = words(&searched[at..]) else { continue };
        let sum = MAGIC.wrapping_add(architecture).wrapping_add(len).wrapping_add(checksum);
        if sum != 0 {
            // Perhaps not a header at all; GRUB looks on.
            flaw = Flaw::Multiboot2Checksum(sum);
            continue;
        }
        if architecture != I386 {
            return Err(Flaw::Multiboot2Architecture(architecture));
        }
        return searched
            .get(at + HEADER_LEN..at + len as usize)
            .ok_or(Flaw::Multiboot2Tags("it does not end within 32 KiB"));
    }
    Err(flaw)
}

/// The address in the entry address tag.
fn entry(mut tags: &[u8]) -> Result<u32, Flaw> {
    let mut entry = None;
    loop {
        let Some(&[k0, k1, _, _, s0, s1, s2, s3]) = tags.first_chunk() else {
            return Err(Flaw::Multiboot2Tags("it has no end tag"));
        };
        let kind = u16::from_le_bytes([k0, k1]);
        let size = u32::from_le_bytes([s0, s1, s2, s3]) as usize;
        if size < 8 || size > tags.len() {
            return Err(Flaw::Multiboot2Tags("a tag's size is wrong"));
        }
        match kind {
            TAG_END => return entry.ok_or(Flaw::NoMultiboot2Entry),
            TAG_ENTRY if size == ENTRY_TAG_LEN => {
                entry = tags[8..].first_chunk().map(|&address| u32::from_le_bytes(address));
            }
            TAG_ENTRY => return Err(Flaw::Multiboot2Tags("the entry address tag's size is wrong")),
            _ => {}
        }
        // Each tag begins at a multiple of 8.
        tags = tags.get(size.next_multiple_of(8)..).unwrap_or_default();
    }
}

/// Where a header of version 1 is, by the rule that QEMU has for it.
fn version1(bytes: &[u8]) -> Option<usize> {
    let searched = &bytes[..bytes.len().min(SEARCHED_V1)];
    (0..searched.len()).step_by(4).find(|&at| {
        matches!(words(&searched[at..]), Some([MAGIC_V1, flags, checksum])
            if MAGIC_V1.wrapping_add(flags).wrapping_add(checksum) == 0)
    })
}

fn words<const N: usize>(bytes: &[u8]) -> Option<[u32; N]> {
    let (chunks, _) = bytes.as_chunks::<4>();
    chunks.first_chunk().map(|chunk: &[[u8; 4]; N]| chunk.map(u32::from_le_bytes))
}
