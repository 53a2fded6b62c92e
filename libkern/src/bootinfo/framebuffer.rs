//! The screen that a loader hands over.

use super::MemoryMap;

/// One colour channel of a pixel: `size` bits, the lowest at bit `position`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Channel {
    /// Bit number of the least significant bit.
    pub position: u8,
    /// Width in bits, mostly 5 to 8.
    pub size: u8,
}

impl Channel {
    fn fits(self, bpp: u8) -> bool {
        (1..=16).contains(&self.size) && u32::from(self.position) + u32::from(self.size) <= bpp.into()
    }
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
/// `width` and `height` are not 0, a row fits `pitch`, channels fit a pixel, the whole does not wrap, and it overlaps
/// no memory.
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

    /// Whether the geometry makes sense and drawing would hit no memory: the invariants of the type.
    pub(super) fn is_plausible(&self, memory: &MemoryMap) -> bool {
        let bpp_fits = match self.format {
            PixelFormat::Rgb { red, green, blue } => {
                matches!(self.bpp, 15 | 16 | 24 | 32) && [red, green, blue].iter().all(|c| c.fits(self.bpp))
            }
            PixelFormat::Indexed => self.bpp == 8,
            PixelFormat::EgaText => self.bpp == 16,
        };
        let row_bytes = u64::from(self.width) * u64::from(self.bpp.div_ceil(8));
        let end = self.phys.checked_add(self.len_bytes());
        bpp_fits
            && self.width > 0
            && self.height > 0
            && row_bytes <= u64::from(self.pitch)
            && end.is_some_and(|end| memory.is_outside_memory(self.phys, end))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Kind, MemoryMap};
    use super::*;

    fn good() -> Framebuffer {
        let channel = |position| Channel { position, size: 8 };
        Framebuffer {
            phys: 0xfd00_0000,
            pitch: 4096,
            width: 1024,
            height: 768,
            bpp: 32,
            format: PixelFormat::Rgb { red: channel(16), green: channel(8), blue: channel(0) },
        }
    }

    fn memory() -> MemoryMap {
        let mut memory = MemoryMap::new();
        memory.claim(0x10_0000, 0x800_0000, Kind::Usable);
        memory.claim(0xfc00_0000, 0x1_0000_0000, Kind::Reserved);
        memory
    }

    #[test]
    fn a_screen_outside_memory_is_taken() {
        assert!(good().is_plausible(&memory()));
        let text =
            Framebuffer { phys: 0xb8000, pitch: 160, width: 80, height: 25, bpp: 16, format: PixelFormat::EgaText };
        assert!(text.is_plausible(&memory()));
    }

    #[test]
    fn nonsense_is_refused() {
        let channel = |position, size| Channel { position, size };
        let rgb = |red| PixelFormat::Rgb { red, green: channel(8, 8), blue: channel(0, 8) };
        let wrong = [
            Framebuffer { width: 0, ..good() },
            Framebuffer { height: 0, ..good() },
            Framebuffer { width: 1025, ..good() },
            Framebuffer { width: u32::MAX, ..good() },
            Framebuffer { pitch: u32::MAX, height: u32::MAX, ..good() },
            Framebuffer { bpp: 0, ..good() },
            Framebuffer { bpp: 17, ..good() },
            Framebuffer { phys: 0x700_0000, ..good() },
            Framebuffer { phys: 0x7ff_ffff, ..good() },
            Framebuffer { phys: u64::MAX - 4096, ..good() },
            Framebuffer { format: PixelFormat::EgaText, ..good() },
            Framebuffer { format: PixelFormat::Indexed, ..good() },
            Framebuffer { format: rgb(channel(25, 8)), ..good() },
            Framebuffer { format: rgb(channel(255, 255)), ..good() },
            Framebuffer { format: rgb(channel(16, 0)), ..good() },
        ];
        for framebuffer in wrong {
            assert!(!framebuffer.is_plausible(&memory()), "{framebuffer:?}");
        }
    }
}
