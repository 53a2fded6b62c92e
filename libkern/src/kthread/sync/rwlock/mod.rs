//! Many readers or one writer.
//!
//! First come, first served, readers and writers alike: a reader that comes while a writer waits waits behind it, so
//! neither starves. Readers that stand at the head one after another go in together.
//!
//! From that follows what is *not* allowed: a kthread that reads must not ask to read again before it is done. If a writer
//! came in between, the kthread would wait for the writer, and the writer for it. Nor can a reader become a writer.
//!
//! There is no poisoning, as with [`Mutex`](super::Mutex).

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

use raw::{Access, RawRwLock};

/// Data for many kthreads that look at it or for one that changes it.
pub struct RwLock<T: ?Sized> {
    raw: RawRwLock,
    value: UnsafeCell<T>,
}

// SAFETY: the lock gives shared access to many at a time, or access to one.
unsafe impl<T: ?Sized + Send + Sync> Sync for RwLock<T> {}

/// Shared access to what a [`RwLock`] protects. Stays with its kthread:
///
/// ```compile_fail,E0277
/// # use libkern::kthread::sync::RwLockReadGuard;
/// fn give_to_another_kthread<T: Send>() {}
/// give_to_another_kthread::<RwLockReadGuard<'static, u32>>();
/// ```
#[must_use = "the lock is free again when the guard is dropped"]
pub struct RwLockReadGuard<'a, T: ?Sized> {
    lock: &'a RwLock<T>,
    _not_send: PhantomData<*mut ()>,
}

/// Access to what a [`RwLock`] protects. Stays with its kthread:
///
/// ```compile_fail,E0277
/// # use libkern::kthread::sync::RwLockWriteGuard;
/// fn give_to_another_kthread<T: Send>() {}
/// give_to_another_kthread::<RwLockWriteGuard<'static, u32>>();
/// ```
#[must_use = "the lock is free again when the guard is dropped"]
pub struct RwLockWriteGuard<'a, T: ?Sized> {
    lock: &'a RwLock<T>,
    _not_send: PhantomData<*mut ()>,
}

// SAFETY: shared, it gives shared access to the value.
unsafe impl<T: ?Sized + Sync> Sync for RwLockReadGuard<'_, T> {}
// SAFETY: shared, it gives shared access to the value.
unsafe impl<T: ?Sized + Sync> Sync for RwLockWriteGuard<'_, T> {}

impl<T> RwLock<T> {
    /// A free lock around `value`.
    #[cfg(not(all(loom, test)))]
    pub const fn new(value: T) -> Self {
        Self { raw: RawRwLock::new(), value: UnsafeCell::new(value) }
    }

    /// A free lock around `value`.
    #[cfg(all(loom, test))]
    pub fn new(value: T) -> Self {
        Self { raw: RawRwLock::new(), value: UnsafeCell::new(value) }
    }

    /// The value.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> RwLock<T> {
    blocking! {
        /// Takes the lock for looking, asleep until it is this kthread's turn. Not by a kthread that has it.
        fn read, read_timeout, read_until, read_abortable, read_abortable_until() -> RwLockReadGuard<'_, T> = read_within;
        /// Takes the lock for changing, asleep until it is this kthread's turn. Not by a kthread that has it.
        fn write, write_timeout, write_until, write_abortable, write_abortable_until() -> RwLockWriteGuard<'_, T> =
            write_within;
    }

    /// Takes the lock for looking if nobody changes, and nobody waits. Any context.
    #[inline]
    pub fn try_read(&self) -> Option<RwLockReadGuard<'_, T>> {
        self.raw.try_lock(Access::Read).then(|| self.read_guard())
    }

    /// Takes the lock for changing if nobody has it. Any context.
    #[inline]
    pub fn try_write(&self) -> Option<RwLockWriteGuard<'_, T>> {
        self.raw.try_lock(Access::Write).then(|| self.write_guard())
    }

    /// The value, without locking: nobody else has a reference.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }

    #[inline(always)]
    #[track_caller]
    fn read_within<L: Limit>(&self, limit: L) -> Result<RwLockReadGuard<'_, T>, L::Cut> {
        self.raw.lock(Access::Read, limit).map(|()| self.read_guard())
    }

    #[inline(always)]
    #[track_caller]
    fn write_within<L: Limit>(&self, limit: L) -> Result<RwLockWriteGuard<'_, T>, L::Cut> {
        self.raw.lock(Access::Write, limit).map(|()| self.write_guard())
    }

    #[inline(always)]
    fn read_guard(&self) -> RwLockReadGuard<'_, T> {
        RwLockReadGuard { lock: self, _not_send: PhantomData }
    }

    #[inline(always)]
    fn write_guard(&self) -> RwLockWriteGuard<'_, T> {
        RwLockWriteGuard { lock: self, _not_send: PhantomData }
    }
}

impl<T: ?Sized> Deref for RwLockReadGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the lock is taken for reading, and this is a guard of that.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T: ?Sized> Deref for RwLockWriteGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the lock is taken for writing, and this is the guard of that.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T: ?Sized> DerefMut for RwLockWriteGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the lock is taken for writing, and this is the guard of that, borrowed alone.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T: ?Sized> Drop for RwLockReadGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.lock.raw.unlock_read();
    }
}

impl<T: ?Sized> Drop for RwLockWriteGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.lock.raw.unlock_write();
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLockReadGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLockWriteGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("RwLock");
        match self.try_read() {
            Some(guard) => shown.field("value", &&*guard),
            None => shown.field("value", &format_args!("<locked>")),
        };
        shown.finish()
    }
}

impl<T: Default> Default for RwLock<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}
