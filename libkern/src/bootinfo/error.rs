//! What makes booting pointless.

use core::fmt;

/// Why there is nothing to boot with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// Information that must be read lies where nothing can be read.
    Unreadable {
        /// What it was.
        what: &'static str,
        /// Physical address.
        address: u64,
    },
    /// The structure is not aligned to 8 bytes.
    Misaligned,
    /// The structure says that it is longer than what there is of it.
    Truncated {
        /// Bytes it claims.
        claimed: u64,
        /// Bytes there are.
        available: u64,
    },
    /// PVH's structure does not begin with its magic number.
    Magic(u32),
    /// The chain of multiboot2 tags is broken.
    Tags(multiboot2::LoadError),
    /// No memory map, or an empty one.
    NoMemoryMap,
    /// A memory map in which nothing is usable.
    NoUsableMemory,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { what, address } => {
                write!(f, "the {what} at {address:#x} cannot be read")
            }
            Self::Misaligned => f.write_str("the boot information is not aligned to 8 bytes"),
            Self::Truncated { claimed, available } => {
                write!(f, "the boot information claims {claimed} bytes and there are {available}")
            }
            Self::Magic(magic) => {
                write!(f, "the PVH start info begins with {magic:#x}")
            }
            Self::Tags(cause) => write!(f, "the multiboot2 tags are broken: {cause}"),
            Self::NoMemoryMap => f.write_str("the loader gave no memory map"),
            Self::NoUsableMemory => f.write_str("no memory in the loader's map is usable"),
        }
    }
}

impl core::error::Error for Error {}
