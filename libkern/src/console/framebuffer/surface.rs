//! Cells as they are drawn: pixels of several formats, or EGA's characters.

use core::array;

use font8x8::legacy::BASIC_LEGACY;

use crate::bootinfo::{Channel, Framebuffer, PixelFormat};

use super::grid::REPLACEMENT;

/// Pixels in a row of a glyph.
const GLYPH_WIDTH: usize = 8;

/// Rows of pixels in a glyph of the font.
const GLYPH_HEIGHT: usize = 8;

/// Height of a screen, in pixels, from which on each row of a glyph is drawn twice. Cells of 8 by 16 are what eyes are
/// used to; below that there would be too few rows of text.
const TALL: u32 = 384;

/// More cells than this in a direction are not used.
const MAX_CELLS: usize = 512;

const FIRST: u8 = b' ';

/// The glyphs from the blank on, the last being that of [`REPLACEMENT`]. Bit 0 is the leftmost pixel.
const GLYPHS: [[u8; GLYPH_HEIGHT]; (REPLACEMENT - FIRST) as usize + 1] = {
    let mut glyphs = [[0; GLYPH_HEIGHT]; _];
    let mut index = 0;
    while index < glyphs.len() {
        glyphs[index] = BASIC_LEGACY[FIRST as usize + index];
        index += 1;
    }
    glyphs[index - 1] = [0x00, 0x7e, 0x42, 0x42, 0x42, 0x42, 0x7e, 0x00];
    glyphs
};

/// Light grey, the colour of text, as each channel's share of 255.
const FOREGROUND: u32 = 0xc0;

/// EGA's attribute for light grey on black.
const EGA_ATTRIBUTE: u8 = 0x07;

/// EGA's code for a small square.
const EGA_REPLACEMENT: u8 = 0xfe;

/// A mapped framebuffer.
///
/// # Invariants
///
/// From `base` on, `pitch` bytes for each of the rows that `columns`, `rows` and `format` make are mapped and ours to
/// write, and a row of cells is no longer than `pitch`.
pub(super) struct Surface {
    base: *mut u8,
    pitch: usize,
    columns: usize,
    rows: usize,
    format: Format,
}

// SAFETY: the framebuffer is memory like any other; it does not matter which core writes it.
unsafe impl Send for Surface {}

/// How a cell is drawn. Pixels come with their value for text, little-endian; the ground is 0.
#[derive(Clone, Copy)]
enum Format {
    Ega,
    Pixels {
        /// Bytes in a pixel: 2, 3 or 4.
        pixel_len: usize,
        text: [u8; 4],
        /// How often each row of a glyph is drawn.
        repeat: usize,
    },
}

impl Surface {
    /// A surface; `None` if its format is not supported or not even one cell fits.
    ///
    /// # Safety
    ///
    /// See [`Screen::new`](super::Screen::new).
    pub(super) unsafe fn new(framebuffer: &Framebuffer, base: *mut u8) -> Option<Self> {
        let (width, height) = (framebuffer.width as usize, framebuffer.height as usize);
        let (format, cell_width, cell_height) = match framebuffer.format {
            PixelFormat::Indexed => return None,
            PixelFormat::EgaText => (Format::Ega, 1, 1),
            PixelFormat::Rgb { red, green, blue } => {
                let repeat = if framebuffer.height >= TALL { 2 } else { 1 };
                let text = [red, green, blue].map(share).iter().fold(0, |all, one| all | one);
                let format =
                    Format::Pixels { pixel_len: framebuffer.bpp.div_ceil(8).into(), text: text.to_le_bytes(), repeat };
                (format, GLYPH_WIDTH, GLYPH_HEIGHT * repeat)
            }
        };
        let columns = (width / cell_width).min(MAX_CELLS);
        let rows = (height / cell_height).min(MAX_CELLS);
        // INVARIANT: by those of `Framebuffer`, `width` pixels or characters fit `pitch`, and the caller has mapped
        // `height` rows.
        (columns > 0 && rows > 0).then_some(Self { base, pitch: framebuffer.pitch as usize, columns, rows, format })
    }

    /// Columns and rows of cells.
    pub(super) const fn cells(&self) -> (usize, usize) {
        (self.columns, self.rows)
    }

    /// Draws a printable ASCII character, or [`REPLACEMENT`], in a cell.
    pub(super) fn draw(&mut self, column: usize, row: usize, cell: u8) {
        assert!(column < self.columns && row < self.rows, "a cell of the screen");
        match self.format {
            Format::Ega => {
                let code = if cell == REPLACEMENT { EGA_REPLACEMENT } else { cell };
                // SAFETY: the cell is on the screen.
                unsafe { self.put(2 * column, row, [code, EGA_ATTRIBUTE]) };
            }
            Format::Pixels { pixel_len, text, repeat } => {
                let index = usize::from(cell.saturating_sub(FIRST)).min(GLYPHS.len() - 1);
                let [b0, b1, b2, _] = text;
                for (line, bits) in GLYPHS[index].into_iter().enumerate() {
                    for line in line * repeat..(line + 1) * repeat {
                        let line = row * GLYPH_HEIGHT * repeat + line;
                        let at = column * GLYPH_WIDTH * pixel_len;
                        // SAFETY: all lines and pixels of a cell that is on the screen are.
                        unsafe {
                            match pixel_len {
                                2 => self.put(at, line, pixels(bits, [b0, b1])),
                                3 => self.put(at, line, pixels(bits, [b0, b1, b2])),
                                _ => self.put(at, line, pixels(bits, text)),
                            }
                        }
                    }
                }
            }
        }
    }

    /// Stores `value` at byte `at` of a line.
    ///
    /// # Safety
    ///
    /// All of it is on the screen.
    #[inline(always)]
    unsafe fn put<T>(&mut self, at: usize, line: usize, value: T) {
        const { assert!(align_of::<T>() == 1) };
        // SAFETY: on the screen is within what is mapped, by the invariant. Volatile, because nobody ever reads it. It
        // need not be aligned.
        unsafe {
            let target = self.base.add(line * self.pitch + at);
            target.cast::<T>().write_volatile(value);
        }
    }
}

/// The foreground's bits for one channel, in their place in a pixel.
fn share(channel: Channel) -> u32 {
    let max = (1u32 << channel.size) - 1;
    (FOREGROUND * max / 255) << channel.position
}

/// One line of a glyph.
fn pixels<const LEN: usize>(bits: u8, text: [u8; LEN]) -> [[u8; LEN]; GLYPH_WIDTH] {
    array::from_fn(|x| if bits >> x & 1 == 1 { text } else { [0; LEN] })
}
