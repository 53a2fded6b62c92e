//! A value that is made once.

use core::cell::UnsafeCell;
use core::fmt;

use super::Once;
use crate::kthread::sync::limit::{Limit, blocking};

/// A place for a value that whoever comes first makes, and that then stays.
///
/// ```no_run
/// use libkern::kthread::sync::OnceLock;
///
/// static NAMES: OnceLock<Vec<&str>> = OnceLock::new();
///
/// let names = NAMES.get_or_init(|| vec!["first", "second"]);
/// assert_eq!(names.len(), 2);
/// ```
pub struct OnceLock<T> {
    once: Once,
    /// # Invariants
    /// Once `once` is done it holds a value and never changes. Before that it is whoever's who does it.
    value: UnsafeCell<Option<T>>,
}

// SAFETY: a value is put in by one kthread and may be dropped by another (`Send`); it is shared (`Sync`).
unsafe impl<T: Send + Sync> Sync for OnceLock<T> {}

impl<T> OnceLock<T> {
    /// Without a value.
    #[cfg(not(all(loom, test)))]
    pub const fn new() -> Self {
        Self { once: Once::new(), value: UnsafeCell::new(None) }
    }

    /// Without a value.
    #[cfg(all(loom, test))]
    pub fn new() -> Self {
        Self { once: Once::new(), value: UnsafeCell::new(None) }
    }

    blocking! {
        /// The value; if there is none, what `f` gives, or sleeps while another kthread makes one. The limits are for the
        /// sleep, not for `f`. Panics too if called by `f`.
        ///
        /// Once there is a value, any context.
        fn get_or_init, get_or_init_timeout, get_or_init_until, get_or_init_abortable, get_or_init_abortable_until
            <F: FnOnce() -> T>(f: F) -> &T = init_within;
        /// The value; sleeps until there is one, made by whomever.
        ///
        /// Once there is a value, any context.
        fn wait, wait_timeout, wait_until, wait_abortable, wait_abortable_until() -> &T = wait_within;
    }

    /// The value, if there is one. Any context.
    #[inline]
    pub fn get(&self) -> Option<&T> {
        // SAFETY: done, so nobody changes it any more (invariant).
        if self.once.is_done() { unsafe { &*self.value.get() }.as_ref() } else { None }
    }

    /// Puts a value in. Any context; does not block.
    ///
    /// # Errors
    /// The value, if there is one already, or one is being made.
    pub fn set(&self, value: T) -> Result<(), T> {
        let mut value = Some(value);
        self.once.try_call(|| {
            // SAFETY: we are doing it, once, so it is ours (invariant).
            unsafe { *self.value.get() = value.take() };
        });
        value.map_or(Ok(()), Err)
    }

    /// The value, if there is one: nobody else has a reference.
    pub fn get_mut(&mut self) -> Option<&mut T> {
        self.value.get_mut().as_mut()
    }

    /// The value, if there is one.
    pub fn into_inner(self) -> Option<T> {
        self.value.into_inner()
    }

    #[inline(always)]
    #[track_caller]
    fn init_within<F: FnOnce() -> T, L: Limit>(&self, f: F, limit: L) -> Result<&T, L::Cut> {
        let make = || {
            let value = f();
            // SAFETY: we are doing it, once, so it is ours (invariant).
            unsafe { *self.value.get() = Some(value) };
        };
        self.once.call_within(make, limit).map(|()| self.there())
    }

    #[inline(always)]
    #[track_caller]
    fn wait_within<L: Limit>(&self, limit: L) -> Result<&T, L::Cut> {
        self.once.wait_within(limit).map(|()| self.there())
    }

    #[inline(always)]
    fn there(&self) -> &T {
        self.get().expect("it was made once")
    }
}

impl<T> Default for OnceLock<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: fmt::Debug> fmt::Debug for OnceLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OnceLock").field(&self.get()).finish()
    }
}
