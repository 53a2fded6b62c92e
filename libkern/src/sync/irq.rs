//! Values that prove that interrupts are off.
//!
//! Each guard could keep the flags that it found and put them back. Guards that are dropped in another order than they
//! were made would then turn interrupts on while one of them is still alive: make A (finds them on), make B (finds them
//! off), drop A. Such orders are ordinary in Rust, where a guard can be returned or stored. So the core counts: the first
//! guard notes whether interrupts were on, the last one puts them back.
//!
//! The count is of guards only. Interrupts may be off without any: in a handler, and while a core starts.

use core::marker::PhantomData;

use super::depth::{IRQS_OFF, IRQS_WERE_ON};
use crate::arch::{depth, irq};

/// Interrupts are off on this core while it lives. Any context; a few instructions.
///
/// # Invariants
/// There are as many of these on this core as its counter `IRQS_OFF` says, and while there is one, interrupts are off.
#[derive(Debug)]
#[must_use = "interrupts come back when the guard is dropped"]
pub struct IrqGuard {
    /// It speaks of the core that made it.
    _not_send: PhantomData<*mut ()>,
}

impl IrqGuard {
    /// Turns interrupts off, if they are not.
    #[inline]
    pub fn new() -> Self {
        let before = irq::save_and_disable();
        if before.were_on() && depth::get::<IRQS_OFF>() == 0 {
            depth::raise::<IRQS_WERE_ON>();
        }
        // INVARIANT: counted, after interrupts went off.
        depth::raise::<IRQS_OFF>();
        Self { _not_send: PhantomData }
    }
}

impl Default for IrqGuard {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for IrqGuard {
    #[inline]
    fn drop(&mut self) {
        // INVARIANT: no longer counted, before interrupts can come back.
        depth::lower::<IRQS_OFF>();
        if depth::get::<IRQS_OFF>() == 0 && depth::get::<IRQS_WERE_ON>() != 0 {
            depth::lower::<IRQS_WERE_ON>();
            // SAFETY: this was the last guard of this core (invariant of the type), and the first one found them on.
            unsafe { irq::restore(irq::Flags::On) };
        }
    }
}

/// Runs `f` with interrupts off and a proof of it that cannot outlive them. Any context.
#[inline]
pub fn without_interrupts<R>(f: impl FnOnce(&IrqGuard) -> R) -> R {
    let off = IrqGuard::new();
    f(&off)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interrupts_come_back_with_the_last_guard_in_whatever_order_they_go() {
        assert!(irq::enabled());
        let first = IrqGuard::new();
        let second = IrqGuard::new();
        drop(first);
        assert!(!irq::enabled(), "one guard is left");
        drop(second);
        assert!(irq::enabled());
    }

    #[test]
    fn a_guard_leaves_interrupts_off_where_it_found_them_off() {
        let found = irq::save_and_disable();
        without_interrupts(|_| assert!(!irq::enabled()));
        assert!(!irq::enabled());
        // SAFETY: the flags are the innermost ones, and no guard is alive.
        unsafe { irq::restore(found) };
        assert!(irq::enabled());
    }
}
