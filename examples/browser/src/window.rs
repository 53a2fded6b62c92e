//! What the browser itself draws: a bar of tabs, and below it all of them.

use alloc::string::{String, ToString as _};

use font8x8::legacy::BASIC_LEGACY;
use libkern::dev::display::Display;
use libkern::proc::SharedRegion;

use crate::documents::{SITES, TABS};
use crate::protocol::{HEIGHT, WIDTH};

const BACKGROUND: u32 = 0x0025_2b36;
const BAR: u32 = 0x003a_4456;
const CHOSEN: u32 = 0x00ff_b347;
const LIGHT: u32 = 0x00f0_f0f0;
const DARK: u32 = 0x0010_1418;
const WRONG: u32 = 0x0054_2428;

/// Pixels of a letter, either way.
const LETTER: usize = 8;
/// Columns of pages.
const COLUMNS: usize = 3;
/// From the left edge of a page to that of the next, and likewise downwards.
const STEP: (usize, usize) = (WIDTH + 16, HEIGHT + 48);
/// Where the first page is.
const FIRST: (usize, usize) = (16, 76);
/// Rows of the bar of tabs, and of each page's own.
const BAR_ROWS: usize = 32;
const TITLE_ROWS: usize = 20;

/// The screen, and what is on it.
pub struct Window {
    display: Display,
    titles: [String; TABS],
    focus: usize,
}

impl Window {
    /// Draws a window without pages.
    pub fn new(mut display: Display) -> Self {
        let (width, height) = (display.width(), display.height());
        display.fill(0, 0, width, height, BACKGROUND);
        let titles = core::array::from_fn(|index| SITES[index].name.to_string());
        let mut window = Self { display, titles, focus: 0 };
        let keys = "1 to 6, Tab: choose a page    R: load it again    Q: quit";
        window.write(FIRST.0, height.saturating_sub(20), keys, LIGHT, BACKGROUND);
        window.draw_titles();
        window
    }

    /// The tab that keys are about.
    pub fn focus(&self) -> usize {
        self.focus
    }

    /// Makes it that one.
    pub fn set_focus(&mut self, index: usize) {
        self.focus = index;
        self.draw_titles();
    }

    /// Names a tab.
    pub fn set_title(&mut self, index: usize, title: String) {
        self.titles[index] = title;
        self.draw_titles();
    }

    /// Shows a page: a copy of the pixels that it has now.
    pub fn show_page(&mut self, index: usize, pixels: &SharedRegion) {
        let (left, top) = place(index);
        let (mut bytes, mut row) = ([0; 4 * WIDTH], [0; WIDTH]);
        for y in 0..HEIGHT {
            pixels.read(4 * WIDTH * y, &mut bytes);
            for (pixel, &bytes) in row.iter_mut().zip(bytes.as_chunks().0) {
                *pixel = u32::from_le_bytes(bytes) & 0x00ff_ffff;
            }
            self.display.draw(left, top + y, WIDTH, &row);
        }
    }

    /// Shows the browser's own words instead of a page.
    pub fn show_text(&mut self, index: usize, headline: &str, text: &str) {
        let (left, top) = place(index);
        self.display.fill(left, top, WIDTH, HEIGHT, WRONG);
        self.write(left + 12, top + 24, headline, CHOSEN, WRONG);
        let mut y = top + 48;
        for line in text.split('\n') {
            let mut x = left + 12;
            for word in line.split(' ') {
                let len = word.len() * LETTER;
                if x + len > left + WIDTH - 12 {
                    (x, y) = (left + 12, y + 14);
                }
                self.write(x, y, word, LIGHT, WRONG);
                x += len + LETTER;
            }
            y += 14;
        }
    }

    fn draw_titles(&mut self) {
        let width = self.display.width();
        self.display.fill(0, 0, width, BAR_ROWS, BAR);
        let button = width / TABS;
        for index in 0..TABS {
            let (paper, ink) = if index == self.focus { (CHOSEN, DARK) } else { (BAR, LIGHT) };
            let label = alloc::format!("{} {}", index + 1, self.titles[index]);
            let fits = |len: usize| label.get(..len.saturating_sub(16) / LETTER).unwrap_or(&label).to_string();
            let (in_bar, above) = (fits(button), fits(WIDTH));
            self.display.fill(button * index, 0, button - 2, BAR_ROWS, paper);
            self.write(button * index + 8, 12, &in_bar, ink, paper);
            let (left, top) = place(index);
            self.display.fill(left, top - TITLE_ROWS, WIDTH, TITLE_ROWS, paper);
            self.write(left + 8, top - 14, &above, ink, paper);
        }
    }

    fn write(&mut self, left: usize, top: usize, text: &str, ink: u32, paper: u32) {
        for (n, c) in text.chars().enumerate() {
            let Some(rows) = BASIC_LEGACY.get(c as usize) else { continue };
            let is_ink = |at: usize| (rows[at / LETTER] >> (at % LETTER)) & 1 != 0;
            let pixels: [u32; LETTER * LETTER] = core::array::from_fn(|at| if is_ink(at) { ink } else { paper });
            self.display.draw(left + n * LETTER, top, LETTER, &pixels);
        }
    }
}

/// Where a page is.
fn place(index: usize) -> (usize, usize) {
    (FIRST.0 + index % COLUMNS * STEP.0, FIRST.1 + index / COLUMNS * STEP.1)
}
