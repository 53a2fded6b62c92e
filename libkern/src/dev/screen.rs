//! The screen that the loader handed over, as console.

use alloc::boxed::Box;
use core::sync::atomic::{AtomicBool, Ordering};

use conquer_once::spin::OnceCell;

use crate::arch::paging::{self, Caching};
use crate::bootinfo::Framebuffer;
use crate::console::{self, framebuffer::Screen};

static SCREEN: OnceCell<&'static Screen> = OnceCell::uninit();
/// Whether a [`Display`](super::display::Display) has it.
static IS_LENT: AtomicBool = AtomicBool::new(false);

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
    let screen: &'static Screen = Box::leak(Box::new(screen));
    SCREEN.init_once(|| screen);
    console::add_sink(screen)
}

/// Leaves the loader's screen to the caller, who is the only one. Says whether it did: not if somebody has it.
pub(super) fn borrow() -> bool {
    let was_free = !IS_LENT.swap(true, Ordering::Acquire);
    if was_free && let Ok(screen) = SCREEN.try_get() {
        screen.lend(true);
    }
    was_free
}

/// Has the console show its text again, whoever draws. Any context.
pub(crate) fn take_back() {
    if IS_LENT.swap(false, Ordering::Release)
        && let Ok(screen) = SCREEN.try_get()
    {
        screen.lend(false);
    }
}
