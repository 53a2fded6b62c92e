//! What a program's file says is to be in memory.
//!
//! A pure function from bytes to a [`Plan`], or to the reason why not: nothing here allocates without a bound, believes a
//! number before it is checked, or panics, whatever the bytes. The `elf` crate takes the headers apart; what they may
//! say is decided here.
//!
//! # What a program may be
//!
//! A static ELF of x86-64, with addresses of its own or position-independent. A program that wants a dynamic linker or
//! thread-local storage is refused: nobody would give it either. It applies its own relocations (`libmcp` does), so that
//! nothing of them is read here. No segment is writable and executable, and no two have a page in common.

use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

use elf::ElfBytes;
use elf::abi;
use elf::endian::LittleEndian;
use elf::note::Note;
use elf::segment::ProgramHeader;
use mcp_abi::process::{PAGE_LEN, USER_END};

#[cfg(test)]
mod tests;

/// Addresses below are null pointers with an offset.
pub const LOWEST: usize = 64 * 1024;

/// The most address space that a position-independent program takes, in bytes.
pub const LONGEST: usize = 256 << 20;

/// The most segments that a program has.
pub const MOST_SEGMENTS: usize = 16;

/// Program headers of any kind.
const MOST_HEADERS: usize = 64;

/// Why a file is not a program that can be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageError {
    /// It is not a whole ELF file.
    Malformed,
    /// It is for another processor, or an object file, or for 32 bits.
    NotForThisMachine,
    /// It wants a dynamic linker.
    Dynamic,
    /// It has thread-local variables.
    ThreadLocal,
    /// It has too many segments, or none.
    Segments,
    /// A segment lies where nothing may, overlaps the one before, or is not sorted.
    Addresses,
    /// A segment's part of the file lies outside of it, or is longer than the segment.
    Contents,
    /// A segment could be written and executed, or not read.
    Rights,
    /// The entry point is not in a segment that can be executed.
    Entry,
}

impl fmt::Display for ImageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ImageError::Malformed => "not a whole ELF file",
            ImageError::NotForThisMachine => "not a program for x86-64",
            ImageError::Dynamic => "it wants a dynamic linker: programs are linked statically",
            ImageError::ThreadLocal => "it has thread-local variables, which programs do not",
            ImageError::Segments => "it has too many segments, or none",
            ImageError::Addresses => "a segment lies where it may not",
            ImageError::Contents => "a segment's contents lie outside of the file",
            ImageError::Rights => "a segment could be both written and executed, or not read",
            ImageError::Entry => "its entry point cannot be executed",
        })
    }
}

impl core::error::Error for ImageError {}

/// What may be done with a segment, beside reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SegmentRights {
    /// Nothing.
    Read,
    /// Writing.
    ReadWrite,
    /// Executing.
    ReadExecute,
}

/// Part of a program's memory.
///
/// # Invariants
/// Addresses lie below [`USER_END`], also when a position-independent program's offset has been added as
/// [`Plan::span`] demands; `file` lies within the file and is no longer than what is left of `pages` from `start` on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The pages: addresses, multiples of a page's length.
    pages: Range<usize>,
    /// Where its first byte goes.
    start: usize,
    /// Where its bytes are in the file. What follows is zero.
    file: Range<usize>,
    /// What may be done with it.
    rights: SegmentRights,
}

impl Segment {
    /// The pages: addresses, multiples of a page's length. Without the load offset.
    #[must_use]
    pub fn pages(&self) -> Range<usize> {
        self.pages.clone()
    }

    /// What may be done with it.
    #[must_use]
    pub fn rights(&self) -> SegmentRights {
        self.rights
    }

    /// Which bytes of the file go into the page at `page`, one of [`pages`](Self::pages), and at which offset in it they
    /// begin. All others are zero. The range may be empty.
    #[must_use]
    pub fn contents(&self, page: usize) -> (usize, Range<usize>) {
        let end = self.start + self.file.len();
        let (from, to) = (self.start.max(page), end.min(page.saturating_add(PAGE_LEN)));
        if from >= to {
            return (0, 0..0);
        }
        (from - page, self.file.start + (from - self.start)..self.file.start + (to - self.start))
    }
}

/// By which a program's file is told from others: the first bytes of what its linker noted as such.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BuildId(u64);

impl BuildId {
    fn new(noted: &[u8]) -> Option<BuildId> {
        noted.first_chunk().map(|&first| BuildId(u64::from_be_bytes(first)))
    }
}

impl fmt::Display for BuildId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// What a program's file says is to be in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    segments: Vec<Segment>,
    entry: usize,
    is_movable: bool,
    build_id: Option<BuildId>,
}

impl Plan {
    /// Reads the headers of a program's file.
    ///
    /// # Errors
    /// As [`ImageError`] says.
    pub fn new(file: &[u8]) -> Result<Plan, ImageError> {
        let elf = ElfBytes::<LittleEndian>::minimal_parse(file).map_err(|_| ImageError::Malformed)?;
        let header = &elf.ehdr;
        let is_movable = match header.e_type {
            abi::ET_EXEC => false,
            abi::ET_DYN => true,
            _ => return Err(ImageError::NotForThisMachine),
        };
        if header.class != elf::file::Class::ELF64 || header.e_machine != abi::EM_X86_64 {
            return Err(ImageError::NotForThisMachine);
        }
        let headers = elf.segments().ok_or(ImageError::Segments)?;
        if headers.len() > MOST_HEADERS {
            return Err(ImageError::Segments);
        }
        let mut segments: Vec<Segment> = Vec::with_capacity(MOST_SEGMENTS);
        let mut build_id = None;
        for header in headers.iter() {
            match header.p_type {
                abi::PT_INTERP => return Err(ImageError::Dynamic),
                abi::PT_TLS => return Err(ImageError::ThreadLocal),
                abi::PT_NOTE => build_id = build_id.or_else(|| build_id_in(&elf, &header)),
                abi::PT_LOAD if header.p_memsz > 0 => {
                    let segment = Segment::new(&header, file.len(), is_movable)?;
                    if segments.last().is_some_and(|last| last.pages.end > segment.pages.start) {
                        return Err(ImageError::Addresses);
                    }
                    if segments.len() == MOST_SEGMENTS {
                        return Err(ImageError::Segments);
                    }
                    segments.push(segment);
                }
                _ => {}
            }
        }
        if segments.is_empty() {
            return Err(ImageError::Segments);
        }
        let entry = usize::try_from(header.e_entry).map_err(|_| ImageError::Entry)?;
        let executes = |segment: &Segment| {
            segment.rights == SegmentRights::ReadExecute
                && (segment.start..segment.start + segment.file.len()).contains(&entry)
        };
        match segments.iter().any(executes) {
            true => Ok(Plan { segments, entry, is_movable, build_id }),
            false => Err(ImageError::Entry),
        }
    }

    /// Its segments, lowest first, at least one.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Where it begins. Without the load offset.
    #[must_use]
    pub fn entry(&self) -> usize {
        self.entry
    }

    /// By which its file is told from others, if its linker has noted that.
    #[must_use]
    pub fn build_id(&self) -> Option<BuildId> {
        self.build_id
    }

    /// Whether it runs at whatever multiple of a page's length is added to its addresses.
    #[must_use]
    pub fn is_movable(&self) -> bool {
        self.is_movable
    }

    /// From its first page to its last. Without the load offset.
    #[must_use]
    pub fn span(&self) -> Range<usize> {
        let last = self.segments.last().map_or(0, |segment| segment.pages.end);
        self.segments.first().map_or(0, |segment| segment.pages.start)..last
    }
}

/// Notes that are not right are none.
fn build_id_in(elf: &ElfBytes<'_, LittleEndian>, header: &ProgramHeader) -> Option<BuildId> {
    let mut notes = elf.segment_data_as_notes(header).ok()?;
    notes.find_map(|note| match note {
        Note::GnuBuildId(note) => BuildId::new(note.0),
        _ => None,
    })
}

impl Segment {
    fn new(header: &ProgramHeader, file_len: usize, is_movable: bool) -> Result<Segment, ImageError> {
        let number = |number: u64| usize::try_from(number).map_err(|_| ImageError::Addresses);
        let start = number(header.p_vaddr)?;
        let end = start.checked_add(number(header.p_memsz)?).ok_or(ImageError::Addresses)?;
        let (lowest, highest) = if is_movable { (0, LONGEST) } else { (LOWEST, USER_END) };
        if start < lowest || end > highest {
            return Err(ImageError::Addresses);
        }
        let offset = usize::try_from(header.p_offset).map_err(|_| ImageError::Contents)?;
        let len = usize::try_from(header.p_filesz).map_err(|_| ImageError::Contents)?;
        let file_end = offset.checked_add(len).ok_or(ImageError::Contents)?;
        if file_end > file_len || len > end - start {
            return Err(ImageError::Contents);
        }
        let has = |flag| header.p_flags & flag != 0;
        let rights = match (has(abi::PF_R), has(abi::PF_W), has(abi::PF_X)) {
            (true, false, false) => SegmentRights::Read,
            (true, true, false) => SegmentRights::ReadWrite,
            (true, false, true) => SegmentRights::ReadExecute,
            _ => return Err(ImageError::Rights),
        };
        let pages = start / PAGE_LEN * PAGE_LEN..end.next_multiple_of(PAGE_LEN);
        Ok(Segment { pages, start, file: offset..file_end, rights })
    }
}
