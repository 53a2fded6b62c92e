//! The note by which an image is known: owner `Roost`, type 1, with the version of the interface and the kind
//! of image.

use anyhow::{Result, bail};
use object::read::elf::{FileHeader as _, ProgramHeader as _};
use object::{LittleEndian, elf};

/// Version of the interface between guest and tool that this tool speaks.
const ABI: u32 = 1;

/// An image's note is in this many first bytes of the file, so that whoever runs executables need not read them
/// all to tell images from programs.
pub const NOTE_WITHIN: u64 = 32 << 10;

/// What an image is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An application: it runs until it exits.
    Application,
    /// A test suite: it reports cases.
    Suite,
}

/// What kind of image `bytes` are; `None` if they are none, or no ELF.
///
/// # Errors
/// If they are an image of another version of the interface.
pub fn kind(bytes: &[u8]) -> Result<Option<Kind>> {
    let Some(desc) = find(bytes, b"Roost", elf::NoteType(1)) else { return Ok(None) };
    let words: Vec<_> = desc.as_chunks::<4>().0.iter().map(|&word| u32::from_le_bytes(word)).collect();
    match words[..] {
        [ABI, 1] => Ok(Some(Kind::Application)),
        [ABI, 2] => Ok(Some(Kind::Suite)),
        [ABI, kind] => bail!("an image of kind {kind}, which this tool does not know; it may be too old"),
        [abi, ..] => bail!(
            "an image for version {abi} of the tools, and these are version {ABI}; \
             install the tools that belong to its libkern"
        ),
        [] => bail!("an image whose note is empty"),
    }
}

/// The content of the first note of this owner and type, as QEMU and others look for it: in the segments.
pub fn find<'data>(bytes: &'data [u8], owner: &[u8], kind: elf::NoteType) -> Option<&'data [u8]> {
    let header = elf::FileHeader64::<LittleEndian>::parse(bytes).ok()?;
    let segments = header.program_headers(LittleEndian, bytes).ok()?;
    for segment in segments {
        let Ok(Some(mut notes)) = segment.notes(LittleEndian, bytes) else { continue };
        while let Ok(Some(note)) = notes.next() {
            if note.name() == owner && note.n_type(LittleEndian) == kind {
                return Some(note.desc());
            }
        }
    }
    None
}
