//! Mutual exclusion among kthreads.
//!
//! [`RawMutex`] is the lock and its protocol; here is what it protects.
//!
//! # Poisoning
//!
//! There is none. It is for code that goes on after a panic has left data halfway, and here no code does: a panic is the
//! end of the image.

use core::cell::UnsafeCell;
use core::fmt;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};

use super::limit::{Limit, blocking};

#[cfg(all(loom, test))]
mod model;
mod raw;
#[cfg(all(test, not(loom)))]
mod tests;

use raw::Owner;
pub(super) use raw::RawMutex;

/// Data for one kthread at a time. Kthreads that find it taken sleep, and have it in the order in which they came.
///
/// ```no_run
/// use libkern::kthread::sync::Mutex;
///
/// static BOOKS: Mutex<Vec<&str>> = Mutex::new(Vec::new());
///
/// BOOKS.lock().push("an entry");
/// ```
pub struct Mutex<T: ?Sized> {
    raw: RawMutex,
    value: UnsafeCell<T>,
}

// SAFETY: the lock gives one kthread at a time access to the value.
unsafe impl<T: ?Sized + Send> Sync for Mutex<T> {}

/// Access to what a [`Mutex`] protects. Its kthread may sleep meanwhile; it stays with its kthread:
///
/// ```compile_fail,E0277
/// # use libkern::kthread::sync::MutexGuard;
/// fn give_to_another_kthread<T: Send>() {}
/// give_to_another_kthread::<MutexGuard<'static, u32>>();
/// ```
#[must_use = "the lock is free again when the guard is dropped"]
pub struct MutexGuard<'a, T: ?Sized> {
    mutex: &'a Mutex<T>,
    owner: Owner,
    /// The word names its kthread.
    _not_send: PhantomData<*mut ()>,
}

// SAFETY: shared, it gives shared access to the value.
unsafe impl<T: ?Sized + Sync> Sync for MutexGuard<'_, T> {}

impl<T> Mutex<T> {
    /// A free lock around `value`.
    #[cfg(not(all(loom, test)))]
    pub const fn new(value: T) -> Self {
        Self { raw: RawMutex::new(), value: UnsafeCell::new(value) }
    }

    /// A free lock around `value`.
    #[cfg(all(loom, test))]
    pub fn new(value: T) -> Self {
        Self { raw: RawMutex::new(), value: UnsafeCell::new(value) }
    }

    /// The value.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> Mutex<T> {
    blocking! {
        /// Takes the lock, asleep until it is this kthread's turn. Locking it twice is a panic.
        fn lock, lock_timeout, lock_until, lock_abortable, lock_abortable_until() -> MutexGuard<'_, T> = lock_within;
    }

    /// Takes the lock if it is free. Kthread context; does not block.
    #[inline]
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        self.raw.try_lock().map(|owner| self.guard(owner))
    }

    /// The value, without locking: nobody else has a reference.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }

    /// Whether somebody has the lock. Out of date at once. Any context.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        self.raw.is_locked()
    }

    #[inline(always)]
    #[track_caller]
    fn lock_within<L: Limit>(&self, limit: L) -> Result<MutexGuard<'_, T>, L::Cut> {
        self.raw.lock(limit).map(|owner| self.guard(owner))
    }

    /// For whoever has just taken the lock.
    #[inline(always)]
    fn guard(&self, owner: Owner) -> MutexGuard<'_, T> {
        MutexGuard { mutex: self, owner, _not_send: PhantomData }
    }
}

impl<'a, T: ?Sized> MutexGuard<'a, T> {
    /// The lock, still taken, without the guard that would release it.
    pub(super) fn into_mutex(self) -> (&'a Mutex<T>, Owner) {
        let (mutex, owner) = (self.mutex, self.owner);
        core::mem::forget(self);
        (mutex, owner)
    }
}

impl<T: ?Sized> Mutex<T> {
    pub(super) fn raw(&self) -> &RawMutex {
        &self.raw
    }

    /// The guard of a lock that this kthread has taken by [`raw`](Self::raw).
    ///
    /// # Safety
    /// It has, and has no guard yet.
    pub(super) unsafe fn taken(&self, owner: Owner) -> MutexGuard<'_, T> {
        self.guard(owner)
    }
}

impl<T: ?Sized> Deref for MutexGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the lock is taken, and this is its guard.
        unsafe { &*self.mutex.value.get() }
    }
}

impl<T: ?Sized> DerefMut for MutexGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the lock is taken, and this is its guard, borrowed alone.
        unsafe { &mut *self.mutex.value.get() }
    }
}

impl<T: ?Sized> Drop for MutexGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.mutex.raw.unlock(self.owner);
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Mutex");
        match self.try_lock() {
            Some(guard) => shown.field("value", &&*guard),
            None => shown.field("value", &format_args!("<locked>")),
        };
        shown.finish()
    }
}

impl<T: Default> Default for Mutex<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}
