//! A picture on a screen.
//!
//! [`Display::open`] takes what the machine has: the screen that the loader handed over (GRUB's, on real machines too), or
//! one that QEMU shows of the image's own memory (its device `ramfb`, where QEMU loads the image itself). What an
//! application draws are pixels of 32 bits, `0x00RRGGBB`; they become what the screen has.
//!
//! While a display is open, the console's text is not on that screen: it goes to the serial port, and is on the screen again
//! when the display is dropped, or when the image panics.
//!
//! ```no_run
//! use libkern::dev::display::Display;
//!
//! let mut display = Display::open()?;
//! let line = vec![0x00ff_8000; display.width()];
//! for y in 0..display.height() {
//!     display.draw(0, y, display.width(), &line);
//! }
//! # Ok::<(), libkern::dev::display::OpenError>(())
//! ```

mod ramfb;

use core::error::Error;
use core::fmt;

use crate::arch::fw_cfg::{self, File, WriteError};
use crate::arch::paging::{self, Caching};
use crate::bootinfo::Framebuffer;
use crate::machine;
use crate::mem::OutOfMemory;

use super::pixels::Encoder;
use super::screen;

/// Pixels in a row of a screen whose size is ours to choose.
pub const WIDTH: usize = 1024;
/// Rows of such a screen.
pub const HEIGHT: usize = 768;

/// Why there is no display.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpenError {
    /// The machine has no screen.
    NoScreen,
    /// Another display is open.
    InUse,
    /// The screen shows text, or colours by number.
    Format,
    /// There is no memory for the pixels, or for the tables by which they are reached.
    OutOfMemory(OutOfMemory),
    /// QEMU does not show memory: it is older than 2.12, or refused.
    Refused,
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoScreen => f.write_str(
                "the machine has no screen: run it with `cargo roost run --display`, or have GRUB boot it (`--boot grub-bios`)",
            ),
            Self::InUse => f.write_str("another display is open"),
            Self::Format => f.write_str("the screen has no pixels of red, green and blue"),
            Self::OutOfMemory(error) => write!(f, "no memory for the screen: {error}"),
            Self::Refused => f.write_str("QEMU does not show the memory that it was offered"),
        }
    }
}

impl Error for OpenError {}

impl From<OutOfMemory> for OpenError {
    fn from(error: OutOfMemory) -> Self {
        Self::OutOfMemory(error)
    }
}

impl From<WriteError> for OpenError {
    fn from(_: WriteError) -> Self {
        Self::Refused
    }
}

/// A screen, for whoever has opened it.
///
/// # Invariants
/// From `base` on, `pitch` bytes for each of `height` rows are mapped, and nobody else writes there but a console that is
/// late, or panics. A row of `width` pixels as `encoder` makes them fits `pitch`.
#[derive(Debug)]
pub struct Display {
    base: *mut u8,
    pitch: usize,
    width: usize,
    height: usize,
    encoder: Encoder,
}

// SAFETY: the pixels are the display's, and reached from any core.
unsafe impl Send for Display {}

impl Display {
    /// Takes the machine's screen. A kthread's context; does not block.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open() -> Result<Self, OpenError> {
        let given = machine::get().framebuffer;
        let ramfb = fw_cfg::find(ramfb::FILE);
        if given.is_none() && ramfb.is_none() {
            return Err(OpenError::NoScreen);
        }
        if !screen::borrow() {
            return Err(OpenError::InUse);
        }
        let opened = match (given, ramfb) {
            (Some(framebuffer), _) => Self::of_loader(&framebuffer),
            (None, Some(file)) => Self::of_qemu(file),
            (None, None) => Err(OpenError::NoScreen),
        };
        opened.inspect_err(|_| screen::take_back())
    }

    fn of_loader(framebuffer: &Framebuffer) -> Result<Self, OpenError> {
        let Framebuffer { phys, pitch, width, height, bpp, format } = *framebuffer;
        let encoder = Encoder::new(format, bpp).ok_or(OpenError::Format)?;
        // SAFETY: the framebuffer overlaps no memory.
        let base = unsafe { paging::reach(phys, framebuffer.len_bytes() as usize, Caching::WriteCombining) };
        // It fails for want of frames for tables.
        let base = base.map_err(|_| OpenError::OutOfMemory(OutOfMemory { frames: 1 }))?;
        // INVARIANT: mapped above; a row fits by the framebuffer's invariants.
        Ok(Self { base, pitch: pitch as usize, width: width as usize, height: height as usize, encoder })
    }

    fn of_qemu(file: File) -> Result<Self, OpenError> {
        let encoder = Encoder::new(ramfb::format(), ramfb::BPP).ok_or(OpenError::Format)?;
        let (picture, pitch) = ramfb::show(file, WIDTH, HEIGHT)?;
        // INVARIANT: memory of the direct map that is used for nothing else; `show` made rows of `WIDTH` pixels.
        Ok(Self { base: picture.to_ptr(), pitch, width: WIDTH, height: HEIGHT, encoder })
    }

    /// Pixels in a row.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// Rows.
    #[must_use]
    pub fn height(&self) -> usize {
        self.height
    }

    /// Draws a rectangle whose upper left corner is at column `x` of row `y`: `pixels`, `0x00RRGGBB` each, row by row of
    /// `width`. What is beyond the screen's edges is left out, and so is a last row that is not whole.
    ///
    /// Any context; takes as long as the pixels need.
    pub fn draw(&mut self, x: usize, y: usize, width: usize, pixels: &[u32]) {
        let visible = self.width.saturating_sub(x).min(width);
        if visible == 0 {
            return;
        }
        for (row, pixels) in pixels.chunks_exact(width).enumerate().take(self.height.saturating_sub(y)) {
            let at = (y + row) * self.pitch + x * self.encoder.pixel_len();
            // SAFETY: the row is on the screen, and so are `visible` pixels from `x` on.
            unsafe { self.encoder.write(self.base.add(at), &pixels[..visible]) };
        }
    }

    /// Draws a rectangle of one colour, as [`draw`](Self::draw) does.
    pub fn fill(&mut self, x: usize, y: usize, width: usize, height: usize, colour: u32) {
        const AT_ONCE: usize = 64;
        let (right, bottom) = (x.saturating_add(width).min(self.width), y.saturating_add(height).min(self.height));
        for y in y..bottom {
            for x in (x..right).step_by(AT_ONCE) {
                let part = AT_ONCE.min(right - x);
                self.draw(x, y, part, &[colour; AT_ONCE][..part]);
            }
        }
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        screen::take_back();
    }
}
