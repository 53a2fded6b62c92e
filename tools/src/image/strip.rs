//! An ELF with nothing in it but what its loader needs.
//!
//! A loader goes by the program headers. What they do not name stays behind: symbols, debug information, and the padding by
//! which each segment begins on a page. So do long runs of zeros, of which an image's data is full (tables that boot
//! fills): memory is zero where a segment has no bytes in the file, so a segment ends where such a run begins, and another
//! one goes on behind it.
//!
//! ```text
//! file header, program headers
//! pieces        what is left of the segments, in their order: the multiboot2 header stays near the beginning
//! sections      the null one and the one with their names: GRUB 2.12 refuses a file that has none
//! ```
//!
//! What comes to lie in memory is the same, byte for byte.

use std::ops::Range;

use anyhow::{Context as _, Result, ensure};
use object::elf::{FileHeader64, PT_LOAD, PT_NOTE, ProgramHeader64, SHT_STRTAB, SectionHeader64, SymbolSection};
use object::read::elf::{FileHeader as _, ProgramHeader as _};
use object::{Endianness, pod};

type Header = FileHeader64<Endianness>;
type Segment = ProgramHeader64<Endianness>;
type Section = SectionHeader64<Endianness>;

/// The names of the null section and of this one.
const NAMES: &[u8] = b"\0.shstrtab\0";
/// Where, in `NAMES`, the second one begins.
const SHSTRTAB: u32 = 1;

/// A piece's place in the file is, modulo this, as its address is: a header that is aligned in memory is in the file.
const ALIGN: usize = 16;
/// So many zeros are worth a program header.
const LONG_RUN: usize = 128;

/// The loadable part of a 64-bit ELF.
///
/// # Errors
/// If it is not one, if a program header points outside of it, or if a note is in nothing that is loaded.
pub fn strip(elf: &[u8]) -> Result<Vec<u8>> {
    let header = Header::parse(elf)?;
    let endian = header.endian()?;
    let segments = header.program_headers(endian, elf)?;

    let mut pieces = Vec::new();
    for segment in segments.iter().filter(|segment| segment.p_type(endian) == PT_LOAD) {
        pieces.extend(pieces_of(segment, elf, endian)?);
    }
    let notes: Vec<_> = segments.iter().filter(|segment| segment.p_type(endian) == PT_NOTE).collect();
    let table_len = (pieces.len() + notes.len()) * size_of::<Segment>();
    let end = place(&mut pieces, size_of::<Header>() + table_len, endian);
    let mut table: Vec<Segment> = pieces.iter().map(|piece| piece.header).collect();
    for note in notes {
        table.push(moved(note, &table, endian).context("a note is in nothing that is loaded")?);
    }

    let mut stripped = vec![0; end];
    for piece in &pieces {
        let at = piece.header.p_offset(endian) as usize;
        stripped[at..at + piece.data.len()].copy_from_slice(piece.data);
    }
    let mut header = *header;
    header.e_phoff.set(endian, size_of::<Header>() as u64);
    header.e_phnum.set(endian, u16::try_from(table.len()).context("there are too many segments")?);
    add_sections(&mut stripped, &mut header, endian);
    let headers = [pod::bytes_of(&header), pod::bytes_of_slice(&table)].concat();
    stripped[..headers.len()].copy_from_slice(&headers);
    Ok(stripped)
}

/// A part of a segment, with the zeros behind it that are not in the file.
struct Piece<'data> {
    header: Segment,
    data: &'data [u8],
}

fn pieces_of<'data>(segment: &Segment, elf: &'data [u8], endian: Endianness) -> Result<Vec<Piece<'data>>> {
    let data = segment.data(endian, elf).ok().context("a program header points behind the end of the file")?;
    let memory = segment.p_memsz(endian);
    ensure!(data.len() as u64 <= memory, "a program header has more bytes in the file than in memory");
    let parts = parts(data);
    let ends = parts.iter().skip(1).map(|next| next.start as u64).chain([memory]);
    let piece = |(part, end): (&Range<usize>, u64)| {
        let start = part.start as u64;
        let mut header = *segment;
        header.p_vaddr.set(endian, segment.p_vaddr(endian).wrapping_add(start));
        header.p_paddr.set(endian, segment.p_paddr(endian).wrapping_add(start));
        header.p_filesz.set(endian, part.len() as u64);
        header.p_memsz.set(endian, end - start);
        header.p_align.set(endian, ALIGN as u64);
        Piece { header, data: &data[part.clone()] }
    };
    Ok(parts.iter().zip(ends).map(piece).collect())
}

/// The parts of `data` between long runs of zeros. The first begins where `data` does.
fn parts(data: &[u8]) -> Vec<Range<usize>> {
    let first = 0..data.len().min(ALIGN);
    let mut parts = Vec::from([first]);
    for (index, unit) in data.chunks(ALIGN).enumerate().skip(1) {
        let start = index * ALIGN;
        if unit.iter().any(|byte| *byte != 0) {
            let last = parts.last_mut().expect("there is a first one");
            if start - last.end < LONG_RUN {
                last.end = start + unit.len();
            } else {
                parts.push(start..start + unit.len());
            }
        }
    }
    parts
}

/// Gives each piece its place in the file, from `start` on. Returns where the last one ends.
fn place(pieces: &mut [Piece], start: usize, endian: Endianness) -> usize {
    let mut end = start;
    for Piece { header, data } in pieces {
        let residue = (header.p_vaddr(endian) % ALIGN as u64) as usize;
        end += (residue + ALIGN - end % ALIGN) % ALIGN;
        header.p_offset.set(endian, end as u64);
        end += data.len();
    }
    end
}

/// A note's program header for where its bytes are now.
fn moved(note: &Segment, table: &[Segment], endian: Endianness) -> Option<Segment> {
    let (address, len) = (note.p_vaddr(endian), note.p_filesz(endian));
    let offset = table.iter().find_map(|piece| {
        let within = address.checked_sub(piece.p_vaddr(endian))?;
        let is_whole = within.checked_add(len)? <= piece.p_filesz(endian);
        is_whole.then_some(piece.p_offset(endian) + within)
    })?;
    let mut moved = *note;
    moved.p_offset.set(endian, offset);
    Some(moved)
}

/// Adds the table of sections, and tells the header.
fn add_sections(file: &mut Vec<u8>, header: &mut Header, endian: Endianness) {
    let at = file.len() as u64;
    file.extend(NAMES);
    file.resize(file.len().next_multiple_of(align_of::<u64>()), 0);
    header.e_shoff.set(endian, file.len() as u64);
    header.e_shentsize.set(endian, size_of::<Section>() as u16);
    header.e_shnum.set(endian, 2);
    header.e_shstrndx.set(endian, SymbolSection(1));
    let mut names = null_section();
    names.sh_name.set(endian, SHSTRTAB);
    names.sh_type.set(endian, SHT_STRTAB);
    names.sh_offset.set(endian, at);
    names.sh_size.set(endian, NAMES.len() as u64);
    names.sh_addralign.set(endian, 1);
    file.extend(pod::bytes_of_slice(&[null_section(), names]));
}

fn null_section() -> Section {
    let (section, _rest) = pod::from_bytes(&[0; size_of::<Section>()]).expect("there are as many bytes as it has");
    *section
}

#[cfg(test)]
mod tests {
    use object::{Object as _, ObjectSection as _, ObjectSymbol as _};

    use super::*;

    /// A program, with symbols and debug information: this very test.
    fn program() -> Vec<u8> {
        std::fs::read(std::env::current_exe().unwrap()).unwrap()
    }

    fn segments(elf: &[u8], kind: object::elf::ProgramType) -> Vec<Segment> {
        let header = Header::parse(elf).unwrap();
        let segments = header.program_headers(Endianness::Little, elf).unwrap();
        segments.iter().filter(|segment| segment.p_type(Endianness::Little) == kind).copied().collect()
    }

    /// What a loader makes of the segments: address, rights and bytes of each, those in a row as one.
    fn memory(elf: &[u8]) -> Vec<(u64, object::elf::ProgramFlags, Vec<u8>)> {
        let endian = Endianness::Little;
        let mut memory: Vec<(u64, _, Vec<u8>)> = Vec::new();
        for segment in segments(elf, PT_LOAD) {
            assert_eq!(segment.p_offset(endian) % ALIGN as u64, segment.p_vaddr(endian) % ALIGN as u64);
            let mut bytes = segment.data(endian, elf).unwrap().to_vec();
            bytes.resize(segment.p_memsz(endian) as usize, 0);
            let (address, flags) = (segment.p_vaddr(endian), segment.p_flags(endian));
            match memory.last_mut() {
                Some(last) if (last.0 + last.2.len() as u64, last.1) == (address, flags) => last.2.extend(bytes),
                _ => memory.push((address, flags, bytes)),
            }
        }
        memory
    }

    #[test]
    fn symbols_go_and_memory_is_the_same() {
        let whole = program();
        let stripped = strip(&whole).unwrap();
        assert!(stripped.len() < whole.len());
        let before = object::File::parse(whole.as_slice()).unwrap();
        let after = object::File::parse(stripped.as_slice()).unwrap();
        assert!(before.symbols().any(|symbol| symbol.name().is_ok_and(|name| name.contains("strip"))));
        assert_eq!(after.symbols().count(), 0);
        let names: Vec<_> = after.sections().map(|section| section.name().unwrap().to_owned()).collect();
        assert_eq!(names, [".shstrtab"]);
        assert_eq!(after.entry(), before.entry());
        assert!(memory(&stripped) == memory(&whole));
    }

    #[test]
    fn notes_are_found_where_they_went() {
        let notes = |elf: &[u8]| {
            let data = |segment: Segment| segment.data(Endianness::Little, elf).unwrap().to_vec();
            segments(elf, PT_NOTE).into_iter().map(data).collect::<Vec<_>>()
        };
        let whole = program();
        assert!(!notes(&whole).is_empty());
        assert_eq!(notes(&strip(&whole).unwrap()), notes(&whole));
    }

    #[test]
    #[expect(clippy::single_range_in_vec_init, reason = "one part is a list of parts, too")]
    fn long_runs_of_zeros_go_and_short_ones_stay() {
        let data = |lens: &[(u8, usize)]| lens.iter().flat_map(|&(byte, len)| vec![byte; len]).collect::<Vec<_>>();
        assert_eq!(parts(&[]), [0..0]);
        assert_eq!(parts(&data(&[(1, 100)])), [0..100]);
        assert_eq!(parts(&data(&[(1, 16), (0, LONG_RUN - 16), (1, 16)])), [0..LONG_RUN + 16]);
        assert_eq!(parts(&data(&[(1, 16), (0, LONG_RUN), (1, 3)])), [0..16, LONG_RUN + 16..LONG_RUN + 19]);
        assert_eq!(parts(&data(&[(0, 1000), (1, 8), (0, 3)])), [0..16, 992..1008]);
        assert_eq!(parts(&data(&[(1, 20), (0, 20)])), [0..32]);
    }

    #[test]
    fn what_is_no_elf_or_cut_off_is_refused() {
        assert!(strip(b"").is_err());
        assert!(strip(&[0; 4096]).is_err());
        let whole = program();
        for len in [16, 64, 100, 4096] {
            assert!(strip(&whole[..len]).is_err(), "{len} bytes");
        }
    }

    #[test]
    fn stripping_twice_changes_nothing() {
        let once = strip(&program()).unwrap();
        assert!(strip(&once).unwrap() == once);
    }
}
