//! A lock for a handful of instructions.

use core::mem;

use super::spin::{Raw, RawGuard};
use crate::arch::irq;

/// Data under a lock that is held for a few instructions with interrupts off, in which nothing else is called: no other
/// lock, no allocation, nothing that can panic.
///
/// It keeps no books: no holder, no depth, no name. What it saves over an [`IrqSpinLock`](super::IrqSpinLock) is what the
/// bookkeeping costs, a dozen instructions, which is as much as the fast path of the frame allocator does in all. It may
/// do without, because what the books are for cannot happen: its holder cannot be interrupted, and so is never found
/// holding it; it calls nothing, and so can neither block nor take the lock again.
///
/// Any context but NMI.
#[derive(Debug)]
pub struct LeafLock<T> {
    inner: Raw<T>,
}

#[cfg_attr(all(loom, test), allow(dead_code, reason = "models have a lock of their own"))]
impl<T> LeafLock<T> {
    /// A free lock around `value`.
    pub const fn new(value: T) -> Self {
        Self { inner: Raw::new(value) }
    }

    /// Runs `f`, the few instructions, on the data.
    #[inline(always)]
    pub fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        let flags = irq::save_and_disable();
        let result = f(&mut self.lock());
        // SAFETY: the flags are the innermost ones, because `f` neither turns interrupts off nor on; the value that
        // vouched for interrupts being off, the lock's guard, is gone.
        unsafe { irq::restore(flags) };
        result
    }

    /// As [`with`](Self::with), for a caller that has interrupts off already.
    #[inline(always)]
    pub fn with_interrupts_off<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        debug_assert!(!irq::enabled(), "a leaf lock is taken with interrupts on");
        f(&mut self.lock())
    }

    /// Takes the lock if it is free, for a function that hands it on to another. Interrupts are off, and stay so until it
    /// is released.
    #[inline(always)]
    #[must_use]
    pub(crate) fn try_acquire(&self) -> bool {
        self.inner.try_lock().map(mem::forget).is_some()
    }

    /// As [`try_acquire`](Self::try_acquire), but waits for the lock.
    pub(crate) fn acquire(&self) {
        mem::forget(self.inner.lock());
    }

    /// What was acquired.
    ///
    /// # Safety
    /// The caller has acquired the lock, has no other reference, and gives this one up before it releases it.
    #[inline(always)]
    #[expect(clippy::mut_from_ref, reason = "the lock makes it the only one")]
    pub(crate) unsafe fn acquired(&self) -> &mut T {
        // SAFETY: the caller's word.
        unsafe { &mut *self.inner.as_mut_ptr() }
    }

    /// # Safety
    /// The caller has acquired the lock.
    #[inline(always)]
    pub(crate) unsafe fn release(&self) {
        // SAFETY: the caller's word.
        unsafe { self.inner.force_unlock() };
    }

    #[inline(always)]
    fn lock(&self) -> RawGuard<'_, T> {
        match self.inner.try_lock() {
            Some(guard) => guard,
            None => self.wait(),
        }
    }

    #[cold]
    #[inline(never)]
    fn wait(&self) -> RawGuard<'_, T> {
        self.inner.lock()
    }

    /// Runs `f` on the data if nobody has the lock. For reports, which may come while a core was stopped with it.
    pub fn try_with<R>(&self, f: impl FnOnce(&mut T) -> R) -> Option<R> {
        let flags = irq::save_and_disable();
        let result = self.inner.try_lock().map(|mut data| f(&mut data));
        // SAFETY: as in `with`.
        unsafe { irq::restore(flags) };
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interrupts_are_off_inside_only() {
        let lock = LeafLock::new(1);
        let inside = lock.with(|value| {
            *value += 1;
            (*value, irq::enabled())
        });
        assert_eq!(inside, (2, false));
        assert!(irq::enabled());
    }

    #[test]
    fn increments_of_several_cores_are_all_counted() {
        let lock = LeafLock::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..10_000).for_each(|_| lock.with(|value| *value += 1)));
            }
        });
        assert_eq!(lock.with(|value| *value), 40_000);
    }
}
