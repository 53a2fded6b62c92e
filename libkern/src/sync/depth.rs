//! How deep this core is in things inside which it must not block or move.
//!
//! The counters are per core and change by one instruction each (`arch::depth`), so that they are right at every
//! instruction boundary, for the handler of whatever interrupts there. Four of the eight are given a meaning here; the
//! others are free.

use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

use crate::arch;

/// Spin locks held: [`SpinLock`](super::SpinLock) and [`IrqSpinLock`](super::IrqSpinLock).
pub(crate) const LOCKS: usize = 0;
/// Values alive that vouch for interrupts being off.
pub(super) const IRQS_OFF: usize = 1;
/// One in a trap from ring 3 that has not blocked yet: what blocks first tells the processes' layer.
pub(crate) const FROM_USER: usize = 2;
/// Interrupt handlers that this core is in: none or one.
pub(crate) const HANDLER: usize = 3;
/// Calls into the heap that use this core's magazines, less one once the core has any. See `mem::heap::claim`. In the
/// second half of the counters: it keeps nobody from blocking.
pub(crate) const HEAP: usize = 4;
/// One if interrupts were on when the first value that vouches for interrupts being off came to be, else zero.
pub(super) const IRQS_WERE_ON: usize = 5;

/// How many spin locks this core holds.
#[must_use]
pub fn locks_held() -> u8 {
    arch::depth::get::<LOCKS>()
}

/// How many values are alive on this core that vouch for interrupts being off. Handlers may have them off without any.
#[must_use]
pub fn interrupts_off() -> u8 {
    arch::depth::get::<IRQS_OFF>()
}

/// Whether nothing that is counted keeps code that runs here from blocking: no spin lock, no value that vouches for
/// interrupts being off, no interrupt handler. Two instructions.
#[inline(always)]
#[must_use]
pub fn may_block() -> bool {
    arch::depth::first_half_is_zero()
}

/// What is called where a trap from ring 3 is about to block.
static ON_BLOCK: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());

/// Has `f` called where code that works for a trap from ring 3 is about to block for the first time. It lowers
/// [`FROM_USER`], and interrupts are on when it returns.
#[cfg(not(any(test, feature = "hosted")))]
pub(crate) fn set_on_block(f: fn()) {
    ON_BLOCK.store(f as *mut (), Ordering::Release);
}

/// If nothing stands against blocking but that this is a trap from ring 3, makes it a kthread's work, and says so.
pub(super) fn leave_user_trap() -> bool {
    let others = locks_held() > 0 || interrupts_off() > 0 || arch::depth::get::<HANDLER>() > 0;
    let f = ON_BLOCK.load(Ordering::Acquire);
    if others || arch::depth::get::<FROM_USER>() == 0 || f.is_null() {
        return false;
    }
    // SAFETY: only `set_on_block` writes the pointer, and it writes such functions.
    let f = unsafe { core::mem::transmute::<*mut (), fn()>(f) };
    f();
    true
}
