//! What a finished image holds: code at an address, symbols by name.

use std::ops::Range;
use std::path::Path;

use anyhow::{Context, bail};
use object::elf::FileHeader64;
use object::read::elf::{FileHeader as _, ProgramHeader as _};
use object::{Endianness, Object, ObjectSection, ObjectSymbol};

/// The type of the note with the entry, whose owner is `Xen`.
const XEN_ELFNOTE_PHYS32_ENTRY: object::elf::NoteType = object::elf::NoteType(18);

/// An image's bytes.
pub struct ImageFile(Vec<u8>);

impl ImageFile {
    /// Reads the image.
    ///
    /// # Errors
    /// If it cannot be read or is no ELF.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        object::File::parse(&*bytes).with_context(|| format!("{} is no ELF", path.display()))?;
        // INVARIANT: the bytes parse.
        Ok(Self(bytes))
    }

    fn elf(&self) -> object::File<'_> {
        object::File::parse(&*self.0).expect("it was parsed when it was opened")
    }

    /// The physical address at which a PVH loader enters the image.
    ///
    /// # Errors
    /// If the image has no such note.
    pub fn pvh_entry(&self) -> anyhow::Result<u64> {
        let header = FileHeader64::<Endianness>::parse(&*self.0)?;
        let endian = header.endian()?;
        for segment in header.program_headers(endian, &*self.0)? {
            let Some(mut notes) = segment.notes(endian, &*self.0)? else { continue };
            while let Some(note) = notes.next()? {
                if note.name() == b"Xen" && note.n_type(endian) == XEN_ELFNOTE_PHYS32_ENTRY {
                    let entry = note.desc().try_into().context("the image's PVH note has an odd length")?;
                    return Ok(u64::from_le_bytes(entry));
                }
            }
        }
        bail!("the image has no PVH entry")
    }

    /// The bytes at `addresses`.
    ///
    /// # Errors
    /// If they are not within one section.
    pub fn code(&self, addresses: Range<u64>) -> anyhow::Result<Vec<u8>> {
        let length = addresses.end.saturating_sub(addresses.start);
        for section in self.elf().sections() {
            if let Ok(Some(data)) = section.data_range(addresses.start, length) {
                return Ok(data.to_vec());
            }
        }
        bail!("the image has no code from {:#x} to {:#x}", addresses.start, addresses.end)
    }

    /// The address of a symbol.
    ///
    /// # Errors
    /// If there is none of that name.
    pub fn address(&self, symbol: &str) -> anyhow::Result<u64> {
        let elf = self.elf();
        let found = elf.symbols().find(|candidate| candidate.name() == Ok(symbol));
        match found {
            Some(found) => Ok(found.address()),
            None => bail!("the image has no symbol `{symbol}`"),
        }
    }

    /// Name and address of every symbol that begins with `prefix`, without the prefix.
    pub fn addresses(&self, prefix: &str) -> Vec<(String, u64)> {
        let elf = self.elf();
        let named = elf.symbols().filter_map(|symbol| {
            let name = symbol.name().ok()?.strip_prefix(prefix)?.to_owned();
            symbol.is_definition().then_some((name, symbol.address()))
        });
        let mut found: Vec<_> = named.collect();
        found.sort();
        found.dedup();
        found
    }
}
