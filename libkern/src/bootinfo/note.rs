//! What was odd in a loader's information and was survived.

use core::fmt;

use heapless::Vec;

/// How many notes are kept; later ones are only counted.
pub const MAX_NOTES: usize = 16;

/// The notes of one parse.
#[derive(Debug)]
pub(super) struct Notes {
    pub list: Vec<Note, MAX_NOTES>,
    pub lost: usize,
}

impl Notes {
    pub(super) const fn new() -> Self {
        Self { list: Vec::new(), lost: 0 }
    }

    #[cold]
    #[inline(never)]
    pub(super) fn add(&mut self, note: Note) {
        if self.list.push(note).is_err() {
            self.lost += 1;
        }
    }
}

/// Something odd in a loader's information that was survived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note {
    /// An entry of the memory map wraps or reaches beyond 52 bits; only the part below counts.
    MemoryCut {
        /// Physical address where it starts.
        start: u64,
        /// Length in bytes that it claims.
        len: u64,
    },
    /// There are more regions than the map holds; some memory stays unused.
    MemoryMapFull,
    /// The memory map ends before it should.
    MemoryMapShort {
        /// Bytes or entries that were claimed.
        claimed: u64,
        /// How many were read.
        read: u64,
    },
    /// A module of no length.
    ModuleEmpty {
        /// Physical start.
        start: u64,
        /// Physical end.
        end: u64,
    },
    /// A module that is not in memory, or overlaps the image or another module.
    ModuleMisplaced {
        /// Physical start.
        start: u64,
        /// Physical end.
        end: u64,
    },
    /// A module more than there is room for.
    ModuleTooMany {
        /// Physical start.
        start: u64,
        /// Physical end.
        end: u64,
    },
    /// The list of modules ends before it should.
    ModuleListShort {
        /// How many modules were claimed.
        claimed: u64,
        /// How many were read.
        read: u64,
    },
    /// A text has no end, or is too long; it was cut.
    TextCut {
        /// Which one.
        what: &'static str,
    },
    /// A text is not UTF-8; it was cut before the first wrong byte.
    TextNotUtf8 {
        /// Which one.
        what: &'static str,
    },
    /// A text that cannot be read.
    TextUnreadable {
        /// Which one.
        what: &'static str,
    },
    /// A root system description pointer whose signature or checksum is wrong, or that cannot be read.
    RsdpBad,
    /// A framebuffer whose geometry makes no sense, or that lies in memory.
    FramebufferBad,
    /// A tag too short for what it should hold.
    TagShort {
        /// The tag's type number.
        tag: u32,
    },
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MemoryCut { start, len } => {
                write!(f, "the memory map's entry of {len:#x} bytes at {start:#x} is longer than memory can be")
            }
            Self::MemoryMapFull => f.write_str("the memory map has too many regions; some memory stays unused"),
            Self::MemoryMapShort { claimed, read } => {
                write!(f, "the memory map claims {claimed} entries and {read} can be read")
            }
            Self::ModuleEmpty { start, end } => {
                write!(f, "the module at {start:#x}..{end:#x} is empty; left out")
            }
            Self::ModuleMisplaced { start, end } => {
                write!(f, "the module at {start:#x}..{end:#x} is in no memory of its own; left out")
            }
            Self::ModuleTooMany { start, end } => {
                write!(f, "the module at {start:#x}..{end:#x} is one too many; left out")
            }
            Self::ModuleListShort { claimed, read } => {
                write!(f, "the loader claims {claimed} modules and {read} can be read")
            }
            Self::TextCut { what } => write!(f, "the {what} has no end; cut"),
            Self::TextNotUtf8 { what } => write!(f, "the {what} is not UTF-8; cut"),
            Self::TextUnreadable { what } => write!(f, "the {what} cannot be read; left out"),
            Self::RsdpBad => f.write_str("the loader's ACPI pointer is wrong; not used"),
            Self::FramebufferBad => f.write_str("the loader's framebuffer is wrong; not used"),
            Self::TagShort { tag } => write!(f, "the multiboot2 tag {tag} is too short; not used"),
        }
    }
}
