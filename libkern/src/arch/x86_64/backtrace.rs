//! Who called whom, by frame pointers.

use core::arch::asm;

/// Calls `visit` with the return addresses of the calls that led here, the innermost first.
///
/// `frame` is the frame pointer to begin at, `bounds` those of the stack: nothing outside them is read, so a chain that
/// was smashed ends the trace and does no harm.
///
/// Gives the first frame pointer that was not followed: where an interrupt came, it leads to another stack.
pub fn walk(mut frame: usize, bounds: (usize, usize), mut visit: impl FnMut(usize)) -> usize {
    let (lo, hi) = bounds;
    while frame >= lo && frame.is_multiple_of(8) && frame.checked_add(16).is_some_and(|end| end <= hi) {
        let words = core::ptr::with_exposed_provenance::<usize>(frame);
        // SAFETY: within the bounds of a mapped stack, and aligned.
        let (next, return_address) = unsafe { (words.read(), words.add(1).read()) };
        if return_address == 0 {
            break;
        }
        visit(return_address);
        // Callers' frames are above those of what they call, on the same stack.
        if next <= frame && next >= lo {
            break;
        }
        frame = next;
    }
    frame
}

/// The frame pointer of the caller.
#[inline(always)]
pub fn frame_pointer() -> usize {
    let frame;
    // SAFETY: copies a register.
    unsafe { asm!("mov {}, rbp", out(reg) frame, options(nomem, nostack, preserves_flags)) };
    frame
}
