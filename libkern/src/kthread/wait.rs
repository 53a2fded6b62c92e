//! The lock under which sleepers queue, which the switch away from a sleeper releases.
//!
//! *Switch first, unlock after*: a sleeper enters a queue under the queue's lock, and whoever finds it there may run it at
//! once, on another core. So the lock is released only when nothing on the sleeper's old core uses its stack any more:
//! by the call stack that goes on there. (Races, kthreads 2; K13.)

use core::cell::UnsafeCell;
use core::marker::PhantomData;
use core::mem;
use core::ops::{Deref, DerefMut};
use core::ptr;

use crate::arch::irq;
use crate::sync::RawSpin;

/// Data under a spin lock that is held with interrupts off, for a few dozen instructions, and that [`block`](super::block)
/// may be given to release.
pub(crate) struct WaitLock<T> {
    raw: RawSpin,
    value: UnsafeCell<T>,
}

// SAFETY: the lock gives one holder at a time access to the value.
unsafe impl<T: Send> Sync for WaitLock<T> {}

/// Access to what a [`WaitLock`] protects.
pub(crate) struct WaitGuard<'a, T> {
    lock: &'a WaitLock<T>,
    flags: irq::Flags,
    /// Interrupts are off on the core that locked.
    _not_send: PhantomData<*mut ()>,
}

impl<T> WaitLock<T> {
    /// A free lock around `value`.
    pub(crate) const fn new(value: T) -> Self {
        Self { raw: RawSpin::new(), value: UnsafeCell::new(value) }
    }

    /// Turns interrupts off, waits until no other core has the lock, and takes it. Any context but NMI.
    #[inline(always)]
    pub(crate) fn lock(&self) -> WaitGuard<'_, T> {
        let flags = irq::save_and_disable();
        self.raw.lock();
        WaitGuard { lock: self, flags, _not_send: PhantomData }
    }
}

impl<T> WaitLock<T> {
    /// As [`lock`](Self::lock), where interrupts are on, as they are where code may block.
    #[inline(always)]
    pub(crate) fn lock_with_interrupts_on(&self) -> WaitGuard<'_, T> {
        irq::disable();
        self.raw.lock();
        WaitGuard { lock: self, flags: irq::Flags::On, _not_send: PhantomData }
    }
}

impl<'a, T> WaitGuard<'a, T> {
    /// Releases the lock and leaves interrupts as they are, which is off. Says how they were.
    #[inline(always)]
    pub(super) fn unlock_masked(self) -> irq::Flags {
        let flags = self.flags;
        let raw = self.leave_locked();
        // SAFETY: this guard stood for the holder; the lock is there, since a reference to it is.
        unsafe { (*raw).unlock() };
        flags
    }

    /// Gives up the guard and leaves the lock held and interrupts off. Whoever has the lock's address releases it.
    #[inline(always)]
    pub(super) fn leave_locked(self) -> *const RawSpin {
        let raw = ptr::from_ref(&self.lock.raw);
        mem::forget(self);
        raw
    }
}

impl<T> Drop for WaitGuard<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: this guard stands for the holder; the flags are the innermost.
        unsafe {
            self.lock.raw.unlock();
            irq::restore(self.flags);
        }
    }
}

impl<T> Deref for WaitGuard<'_, T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: the lock is held.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T> DerefMut for WaitGuard<'_, T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the lock is held, and the guard is borrowed alone.
        unsafe { &mut *self.lock.value.get() }
    }
}
