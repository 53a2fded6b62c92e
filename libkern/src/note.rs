//! The note by which the host tool recognises an image.

/// An ELF note named `Roost`, of type 1: the version of its format, and what kind of image this is.
#[repr(C, align(4))]
#[derive(Debug)]
pub struct Note {
    name_len: u32,
    desc_len: u32,
    kind: u32,
    name: [u8; 8],
    version: u32,
    image_kind: u32,
}

impl Note {
    /// The note of an application (1) or a test suite (2).
    #[must_use]
    pub const fn new(image_kind: u32) -> Self {
        Note { name_len: 6, desc_len: 8, kind: 1, name: *b"Roost\0\0\0", version: 1, image_kind }
    }
}
