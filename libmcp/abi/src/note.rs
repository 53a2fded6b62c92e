//! The ELF note by which tools recognise an image.

/// The note's name, with its NUL.
pub const NAME: &[u8; 6] = b"Roost\0";

/// The note's type.
pub const TYPE: u32 = 1;

/// Version of the descriptor's layout.
pub const VERSION: u32 = 1;

/// What an image is. The descriptor's second word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Kind {
    /// An application.
    Application = 1,
    /// A test suite, which reports its cases on the control channel.
    TestSuite = 2,
}

impl Kind {
    /// The kind with that number.
    #[must_use]
    pub const fn from_u32(number: u32) -> Option<Self> {
        match number {
            1 => Some(Self::Application),
            2 => Some(Self::TestSuite),
            _ => None,
        }
    }
}

/// The whole note as it lies in the file.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(4))]
pub struct Note {
    name_len: u32,
    descriptor_len: u32,
    kind: u32,
    name: [u8; 8],
    version: u32,
    image: Kind,
}

const _: () = assert!(size_of::<Note>() == 3 * 4 + 8 + 8);

impl Note {
    /// The note of an image of that kind.
    #[must_use]
    pub const fn new(image: Kind) -> Self {
        let mut name = [0; 8];
        name.split_at_mut(NAME.len()).0.copy_from_slice(NAME);
        Self { name_len: NAME.len() as u32, descriptor_len: 8, kind: TYPE, name, version: VERSION, image }
    }
}
