//! Drawing a page's text and pictures into memory of this process.

use font8x8::legacy::BASIC_LEGACY;

use crate::protocol::{HEIGHT, WIDTH};

/// Pixels between the page's edge and what is on it.
const MARGIN: usize = 8;
/// Pixels of a letter, either way.
const LETTER: usize = 8;
/// Pixels from line to line of usual text.
const LINE: usize = 12;
/// Length of the mark that moves while the renderer lives.
const BEAT_LEN: usize = 16;

/// A page, drawn from top to bottom. What does not fit is not drawn.
pub struct Canvas {
    pixels: &'static mut [u8],
    paper: u32,
    ink: u32,
    /// Where the next thing begins.
    y: usize,
}

impl Canvas {
    /// On memory for a page's pixels.
    pub fn new(pixels: &'static mut [u8]) -> Self {
        Self { pixels, paper: 0x00ff_ffff, ink: 0, y: MARGIN }
    }

    /// Makes the whole page that colour, and goes to its top.
    pub fn clear(&mut self, paper: u32) {
        self.paper = paper;
        self.y = MARGIN;
        self.fill(0, 0, WIDTH, HEIGHT, paper);
    }

    /// Draws text in this colour from now on.
    pub fn set_ink(&mut self, ink: u32) {
        self.ink = ink;
    }

    /// Leaves some room.
    pub fn skip(&mut self, rows: usize) {
        self.y = self.y.saturating_add(rows);
    }

    /// Draws words, in letters `scale` times the usual size, and breaks lines between them.
    pub fn write(&mut self, text: &str, scale: usize) {
        let letter = LETTER * scale;
        let mut x = MARGIN;
        for word in text.split_whitespace() {
            let len = word.chars().count() * letter;
            if x > MARGIN && x + len > WIDTH - MARGIN {
                (x, self.y) = (MARGIN, self.y + LINE * scale);
            }
            for c in word.chars() {
                self.letter(x, c, scale);
                x += letter;
            }
            x += letter;
        }
        self.y += LINE * scale;
    }

    fn letter(&mut self, left: usize, c: char, scale: usize) {
        let Some(rows) = BASIC_LEGACY.get(c as usize).or(BASIC_LEGACY.get('?' as usize)) else { return };
        let (top, ink) = (self.y, self.ink);
        for (n, row) in rows.iter().enumerate() {
            for column in (0..LETTER).filter(|column| (row >> column) & 1 != 0) {
                self.fill(left + column * scale, top + n * scale, scale, scale, ink);
            }
        }
    }

    /// Draws a line across.
    pub fn rule(&mut self) {
        let (y, ink) = (self.y, self.ink);
        self.fill(MARGIN, y, WIDTH - 2 * MARGIN, 1, ink);
        self.y += LINE / 2;
    }

    /// Draws a picture of so many pixels a row, four bytes each: red, green, blue and how much covers the paper.
    pub fn picture(&mut self, width: usize, rgba: &[u8]) {
        let rows = rgba.chunks_exact((4 * width).max(1));
        let height = rows.len();
        let (left, top, paper) = (WIDTH.saturating_sub(width) / 2, self.y, self.paper);
        for (y, row) in rows.enumerate().take(HEIGHT) {
            for (x, &[red, green, blue, alpha]) in row.as_chunks().0.iter().enumerate().take(WIDTH) {
                let mix = |over: u8, shift: u32| {
                    let under = (paper >> shift) & 0xff;
                    ((u32::from(over) * u32::from(alpha) + under * (255 - u32::from(alpha))) / 255) << shift
                };
                self.fill(left + x, top + y, 1, 1, mix(red, 16) | mix(green, 8) | mix(blue, 0));
            }
        }
        self.y += height + LINE / 2;
    }

    /// Shows that the renderer lives: a mark at the bottom that is somewhere else at each beat.
    pub fn beat(&mut self, beat: u32) {
        let (top, paper, ink) = (HEIGHT - 3, self.paper, self.ink);
        self.fill(0, top, WIDTH, 3, paper);
        self.fill(beat as usize % (WIDTH / BEAT_LEN) * BEAT_LEN, top, BEAT_LEN, 3, ink);
    }

    /// The pixels, two a word.
    pub fn words(&self) -> impl Iterator<Item = u64> {
        self.pixels.as_chunks().0.iter().map(|&bytes| u64::from_le_bytes(bytes))
    }

    fn fill(&mut self, left: usize, top: usize, width: usize, height: usize, colour: u32) {
        for y in top.min(HEIGHT)..(top + height).min(HEIGHT) {
            for x in left.min(WIDTH)..(left + width).min(WIDTH) {
                let at = 4 * (y * WIDTH + x);
                self.pixels[at..at + 4].copy_from_slice(&colour.to_le_bytes());
            }
        }
    }
}
