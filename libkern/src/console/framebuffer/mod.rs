//! A screen as a sink: text in a linear framebuffer, or in the character cells of an EGA.
//!
//! What should be seen is kept in memory ([`grid`]), with what is on the screen beside it. Writing changes the former;
//! a flush draws the cells in which the two differ. So video memory, which is slow to read, is never read; a burst of
//! lines is drawn once; and scrolling costs what changes, which between lines of text is mostly blank. It scrolls by an
//! eighth of the screen, because what a full screen of text costs to redraw should not be paid for every line.
//!
//! Rejected: moving pixels, and `embedded-graphics`, whose drawing traits cost more code than all of this.

mod grid;
mod surface;

use core::sync::atomic::{AtomicBool, Ordering};

use crate::bootinfo::Framebuffer;

use super::sink::{Sink, Turn, TurnCell};
use grid::Grid;
use surface::Surface;

/// A screen.
pub struct Screen {
    state: TurnCell<State>,
    /// Whether somebody else draws there.
    is_lent: AtomicBool,
    /// Whether somebody else has.
    is_spoilt: AtomicBool,
}

struct State {
    grid: Grid,
    surface: Surface,
}

impl Screen {
    /// A screen, cleared when it is first drawn; `None` if its format is not supported or not even one character fits.
    /// Needs the heap.
    ///
    /// # Safety
    ///
    /// `base` is where the framebuffer is mapped, writable, for its whole length and for as long as the screen lives,
    /// and nobody else writes to it.
    pub unsafe fn new(framebuffer: &Framebuffer, base: *mut u8) -> Option<Self> {
        // SAFETY: the contract is the same.
        let surface = unsafe { Surface::new(framebuffer, base)? };
        let (columns, rows) = surface.cells();
        let grid = Grid::new(columns, rows);
        let state = TurnCell::new(State { grid, surface });
        Some(Self { state, is_lent: AtomicBool::new(false), is_spoilt: AtomicBool::new(false) })
    }

    /// Leaves the screen to somebody else, or takes it back: until then what is written is kept, and not shown. A writer
    /// that is about to show something may still do so. Any context.
    pub fn lend(&self, is_lent: bool) {
        self.is_spoilt.store(true, Ordering::Relaxed);
        self.is_lent.store(is_lent, Ordering::Release);
    }
}

impl Sink for Screen {
    fn write(&self, bytes: &[u8], turn: &mut Turn) -> usize {
        let state = self.state.get(turn);
        for &byte in bytes {
            state.grid.put(byte);
        }
        bytes.len()
    }

    fn flush(&self, turn: &mut Turn) {
        if self.is_lent.load(Ordering::Acquire) {
            return;
        }
        let State { grid, surface } = self.state.get(turn);
        if self.is_spoilt.swap(false, Ordering::Relaxed) {
            grid.forget_shown();
        }
        grid.update(|column, row, cell| surface.draw(column, row, cell));
    }
}

#[cfg(test)]
mod tests;
