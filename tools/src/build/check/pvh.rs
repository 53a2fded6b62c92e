//! The entry for QEMU's `-kernel`: a note with a physical address.

use object::elf::NoteType;

use super::elf::Elf;
use super::flaw::Flaw;
use crate::build::note;

/// `XEN_ELFNOTE_PHYS32_ENTRY`.
const PHYS32_ENTRY: NoteType = NoteType(18);

/// Checks the note, and that its address is code.
pub fn check(elf: &Elf) -> Result<(), Flaw> {
    let desc = note::find(elf.bytes, b"Xen", PHYS32_ENTRY).ok_or(Flaw::NoPvhNote)?;
    let entry = desc.try_into().map_err(|_| Flaw::PvhNoteSize(desc.len()))?;
    let entry = u64::from_le_bytes(entry);
    if elf.has_code_at(entry) { Ok(()) } else { Err(Flaw::PvhEntry(entry)) }
}
