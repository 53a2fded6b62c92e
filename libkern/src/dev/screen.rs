//! The screen that the loader handed over, as console.

use alloc::boxed::Box;

use crate::arch::paging::{self, Caching};
use crate::bootinfo::Framebuffer;
use crate::console::{self, framebuffer::Screen};

/// Makes the screen a console. Once, at boot, with a heap; what the ring still holds comes out on it too.
///
/// Says whether it did; the log says why not.
pub(crate) fn init(framebuffer: &Framebuffer) -> bool {
    // SAFETY: the framebuffer overlaps no memory, and nobody else draws on it.
    let base =
        match unsafe { paging::reach(framebuffer.phys, framebuffer.len_bytes() as usize, Caching::WriteCombining) } {
            Ok(base) => base,
            Err(error) => {
                log::warn!("no console on the screen: {error}");
                return false;
            }
        };
    // SAFETY: mapped for ever, as above.
    let Some(screen) = (unsafe { Screen::new(framebuffer, base) }) else {
        log::warn!("no console on the screen: its format is not supported: {framebuffer:?}");
        return false;
    };
    console::add_sink(Box::leak(Box::new(screen)))
}
