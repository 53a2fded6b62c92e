//! Who handles which interrupt.

use core::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

use super::traps::TrapFrame;

/// What an interrupt calls: on the interrupt stack, interrupts off, after the end of interrupt. It must return.
pub type Handler = fn(&TrapFrame);

/// Vectors below are exceptions.
const FIRST: usize = 32;

static HANDLERS: [AtomicPtr<()>; 256 - FIRST] = [const { AtomicPtr::new(core::ptr::null_mut()) }; 256 - FIRST];

/// How many interrupts came that nobody handles.
static UNHANDLED: AtomicU64 = AtomicU64::new(0);

/// Has `vector`, which is 32 or more, call `handler` on whichever core it arrives. Replaces what was there.
///
/// # Panics
/// If the vector is an exception's.
pub fn set_handler(vector: u8, handler: Handler) {
    let slot = usize::from(vector).checked_sub(FIRST).expect("vectors below 32 are exceptions");
    HANDLERS[slot].store(handler as *mut (), Ordering::Release);
}

/// Calls the handler of the vector in `frame`.
pub fn handle(vector: u8, frame: &TrapFrame) {
    let handler = HANDLERS[usize::from(vector) - FIRST].load(Ordering::Acquire);
    if handler.is_null() {
        UNHANDLED.fetch_add(1, Ordering::Relaxed);
        return;
    }
    // SAFETY: only `set_handler` writes the table, and it writes handlers.
    let handler = unsafe { core::mem::transmute::<*mut (), Handler>(handler) };
    handler(frame);
}

/// How many interrupts came that nobody handles.
pub fn unhandled() -> u64 {
    UNHANDLED.load(Ordering::Relaxed)
}
