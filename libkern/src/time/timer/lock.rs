//! The lock of a core's timers: a leaf lock, or in a model one that loom knows.

#[cfg(not(all(loom, test)))]
pub(super) use crate::sync::LeafLock as Lock;

/// As much of a leaf lock as the timers use.
#[cfg(all(loom, test))]
#[derive(Debug)]
pub(super) struct Lock<T>(loom::sync::Mutex<T>);

#[cfg(all(loom, test))]
impl<T> Lock<T> {
    pub(super) fn new(value: T) -> Self {
        Self(loom::sync::Mutex::new(value))
    }

    pub(super) fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        f(&mut self.0.lock().expect("nobody panics with the lock held"))
    }

    pub(super) fn with_interrupts_off<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        self.with(f)
    }
}
