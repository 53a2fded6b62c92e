//! An ELF without what its loader does not need.
//!
//! A loader goes by the program headers; sections (symbols and debug information among them) are for linkers
//! and debuggers. So the file ends where the last program header's bytes end, followed by a table of two
//! sections, the null one and the one with their names: GRUB 2.12 refuses a file that has no table at all.
//! Offsets stay as they are, and with them the multiboot2 header's place in the file.

use anyhow::{Result, anyhow, ensure};
use object::elf::{FileHeader64, ProgramHeader64, SHT_STRTAB, SectionHeader64, SymbolSection};
use object::read::elf::{FileHeader as _, ProgramHeader as _};
use object::{Endianness, pod};

type Section = SectionHeader64<Endianness>;

/// The names of the null section and of this one.
const NAMES: &[u8] = b"\0.shstrtab\0";
/// Where, in `NAMES`, the second one begins.
const SHSTRTAB: u32 = 1;

/// The loadable part of a 64-bit ELF.
///
/// # Errors
/// If it is not one, or if a program header points outside of it.
pub fn strip(elf: &[u8]) -> Result<Vec<u8>> {
    let header = FileHeader64::<Endianness>::parse(elf)?;
    let endian = header.endian()?;
    let table_len = size_of::<ProgramHeader64<Endianness>>() * usize::from(header.e_phnum(endian));
    let mut end = usize::try_from(header.e_phoff(endian))?.saturating_add(table_len);
    for segment in header.program_headers(endian, elf)? {
        let (offset, len) = segment.file_range(endian);
        let segment_end = offset.checked_add(len).ok_or_else(|| anyhow!("a program header overflows"))?;
        if len > 0 {
            end = end.max(usize::try_from(segment_end)?);
        }
    }
    ensure!(end <= elf.len(), "a program header points behind the end of the file");

    let mut stripped = elf[..end].to_vec();
    stripped.extend(NAMES);
    stripped.resize(stripped.len().next_multiple_of(align_of::<u64>()), 0);
    let table = stripped.len() as u64;
    stripped.extend([0; size_of::<Section>()]);
    let mut names = null_section();
    names.sh_name.set(endian, SHSTRTAB);
    names.sh_type.set(endian, SHT_STRTAB);
    names.sh_offset.set(endian, end as u64);
    names.sh_size.set(endian, NAMES.len() as u64);
    names.sh_addralign.set(endian, 1);
    stripped.extend(pod::bytes_of(&names));

    let mut header = *header;
    header.e_shoff.set(endian, table);
    header.e_shentsize.set(endian, size_of::<Section>() as u16);
    header.e_shnum.set(endian, 2);
    header.e_shstrndx.set(endian, SymbolSection(1));
    let header = pod::bytes_of(&header);
    stripped[..header.len()].copy_from_slice(header);
    Ok(stripped)
}

fn null_section() -> Section {
    let (section, _rest) = pod::from_bytes(&[0; size_of::<Section>()]).expect("there are as many bytes as it has");
    *section
}

#[cfg(test)]
mod tests {
    use object::{Object as _, ObjectSection as _, ObjectSegment as _, ObjectSymbol as _};

    use super::*;

    #[test]
    fn symbols_go_and_segments_stay() {
        // This very test is an ELF of the kind, with symbols and debug information.
        let whole = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let stripped = strip(&whole).unwrap();
        assert!(stripped.len() < whole.len());

        let before = object::File::parse(whole.as_slice()).unwrap();
        let after = object::File::parse(stripped.as_slice()).unwrap();
        assert!(before.symbols().any(|symbol| symbol.name().is_ok_and(|name| name.contains("strip"))));
        assert_eq!(after.symbols().count(), 0);
        let names: Vec<_> = after.sections().map(|section| section.name().unwrap().to_owned()).collect();
        assert_eq!(names, [".shstrtab"]);
        assert_eq!(after.entry(), before.entry());
        for (a, b) in after.segments().zip(before.segments()) {
            assert_eq!(a.address(), b.address());
            assert_eq!(a.file_range(), b.file_range());
            // The file header itself differs where it speaks of sections.
            let start = if a.file_range().0 == 0 { size_of::<FileHeader64<Endianness>>() } else { 0 };
            assert_eq!(a.data().unwrap()[start..], b.data().unwrap()[start..]);
        }
    }

    #[test]
    fn what_is_no_elf_or_cut_off_is_refused() {
        assert!(strip(b"").is_err());
        assert!(strip(&[0; 4096]).is_err());
        let whole = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        for len in [16, 64, 100, 4096] {
            assert!(strip(&whole[..len]).is_err(), "{len} bytes");
        }
    }

    #[test]
    fn stripping_twice_changes_nothing() {
        let whole = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let once = strip(&whole).unwrap();
        assert_eq!(strip(&once).unwrap(), once);
    }
}
