//! How deep this core is in things inside which it must not block or move.
//!
//! The counters are per core and change by one instruction each (`arch::depth`), so that they are right at every
//! instruction boundary, for the handler of whatever interrupts there. Four of the eight are given a meaning here; the
//! others are free.

use crate::arch;

/// Spin locks held: [`SpinLock`](super::SpinLock) and [`IrqSpinLock`](super::IrqSpinLock).
pub(crate) const LOCKS: usize = 0;
/// Values alive that vouch for interrupts being off.
pub(super) const IRQS_OFF: usize = 1;
/// One if interrupts were on when the first of those values came to be, else zero.
pub(super) const IRQS_WERE_ON: usize = 2;
/// Interrupt handlers that this core is in: none or one.
pub(crate) const HANDLER: usize = 3;
/// Calls into the heap that use this core's magazines, less one once the core has any. See `mem::heap::claim`. In the
/// second half of the counters: it keeps nobody from blocking.
pub(crate) const HEAP: usize = 4;

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
    arch::depth::first_half() == 0
}

/// Panics unless code that runs here may block. `what` is what is about to block.
///
/// # Panics
/// If it may not; the message says why, and names the lock that was taken last.
#[inline(always)]
pub fn assert_may_block(what: &str) {
    if !may_block() {
        must_not_block(what);
    }
}

#[cold]
#[inline(never)]
fn must_not_block(what: &str) -> ! {
    let (locks, off) = (locks_held(), interrupts_off());
    if locks > 0 {
        panic!("{what} would block with {locks} spin lock(s) held, the last one `{}`", super::spin::last_taken());
    }
    if arch::depth::get::<HANDLER>() > 0 {
        panic!("{what} would block in an interrupt handler");
    }
    panic!("{what} would block with interrupts off (by {off} guard(s))");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::{IrqGuard, IrqSpinLock, SpinLock};

    #[test]
    fn locks_are_counted_while_they_are_held() {
        let (a, b) = (SpinLock::new("a", ()), IrqSpinLock::new("b", ()));
        assert_eq!(locks_held(), 0);
        let held_a = a.lock();
        let held_b = b.lock();
        assert_eq!((locks_held(), interrupts_off()), (2, 1));
        drop(held_a);
        drop(held_b);
        assert_eq!((locks_held(), interrupts_off()), (0, 0));
        assert_may_block("a test");
    }

    #[test]
    #[should_panic(expected = "a test would block with 1 spin lock(s) held, the last one `held`")]
    fn blocking_with_a_lock_held_is_a_panic_that_says_so() {
        let lock = SpinLock::new("held", ());
        let _held = lock.lock();
        assert_may_block("a test");
    }

    #[test]
    #[should_panic(expected = "interrupts off (by 1 guard(s))")]
    fn blocking_with_interrupts_off_is_a_panic_that_says_so() {
        let _off = IrqGuard::new();
        assert_may_block("a test");
    }
}
