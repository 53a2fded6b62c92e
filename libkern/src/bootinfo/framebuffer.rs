//! The screen that a loader hands over.

/// One colour channel of a pixel: `size` bits, the lowest at bit `position`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Channel {
    /// Bit number of the least significant bit.
    pub position: u8,
    /// Width in bits, 1 to 8 in practice.
    pub size: u8,
}

/// What the cells of a framebuffer are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PixelFormat {
    /// Pixels of three channels.
    Rgb {
        /// Red.
        red: Channel,
        /// Green.
        green: Channel,
        /// Blue.
        blue: Channel,
    },
    /// Pixels that are indices into a palette.
    Indexed,
    /// Characters: a code and an attribute byte each.
    EgaText,
}

/// A linear framebuffer.
///
/// # Invariants
///
/// `width` and `height` are not 0, a row fits `pitch`, the whole does not wrap, and it overlaps neither usable
/// memory nor anything the kernel claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Framebuffer {
    /// Physical address of the first pixel.
    pub phys: u64,
    /// Bytes from one row to the next; for text, from one line of characters to the next.
    pub pitch: u32,
    /// Columns: pixels, or characters for [`PixelFormat::EgaText`].
    pub width: u32,
    /// Rows: pixels, or characters for [`PixelFormat::EgaText`].
    pub height: u32,
    /// Bits per pixel or character: 8, 15, 16, 24 or 32.
    pub bpp: u8,
    /// What a pixel is.
    pub format: PixelFormat,
}

impl Framebuffer {
    /// Length in bytes.
    pub const fn len_bytes(&self) -> u64 {
        self.pitch as u64 * self.height as u64
    }
}
