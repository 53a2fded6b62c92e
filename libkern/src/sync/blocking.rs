//! Refusing to block where that must not be, with the culprit's name.

use super::depth::{HANDLER, interrupts_off, leave_user_trap, locks_held, may_block};
use super::spin::last_taken;
use crate::arch;

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
fn must_not_block(what: &str) {
    if leave_user_trap() {
        return;
    }
    let (locks, off) = (locks_held(), interrupts_off());
    if locks > 0 {
        panic!("{what} would block with {locks} spin lock(s) held, the last one `{}`", last_taken());
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
