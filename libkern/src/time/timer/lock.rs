//! The lock of a core's timers: a leaf lock, or in a model one that loom knows.

#[cfg(not(all(loom, test)))]
pub(super) use crate::sync::LeafLock as Lock;

/// As much of a leaf lock as the timers use.
#[cfg(all(loom, test))]
#[derive(Debug)]
pub(super) struct Lock<T> {
    mutex: loom::sync::Mutex<()>,
    /// While the lock is held. Its lifetime is a lie: it is the holder's.
    guard: core::cell::UnsafeCell<Option<loom::sync::MutexGuard<'static, ()>>>,
    value: core::cell::UnsafeCell<T>,
}

// SAFETY: the lock gives one holder at a time access to what is in the cells.
#[cfg(all(loom, test))]
unsafe impl<T: Send> Sync for Lock<T> {}

#[cfg(all(loom, test))]
impl<T> Lock<T> {
    pub(super) fn new(value: T) -> Self {
        Self {
            mutex: loom::sync::Mutex::new(()),
            guard: core::cell::UnsafeCell::new(None),
            value: core::cell::UnsafeCell::new(value),
        }
    }

    /// Loom's mutex knows no attempt that blocks nobody but is a point at which others may run; so this waits.
    pub(super) fn try_acquire(&self) -> bool {
        self.acquire();
        true
    }

    pub(super) fn acquire(&self) {
        let guard = self.mutex.lock().expect("nobody panics with the lock held");
        // SAFETY: the lock is held; the guard is dropped before the mutex is.
        unsafe {
            *self.guard.get() =
                Some(core::mem::transmute::<loom::sync::MutexGuard<'_, ()>, loom::sync::MutexGuard<'static, ()>>(guard))
        };
    }

    #[expect(clippy::mut_from_ref, reason = "the lock makes it the only one")]
    /// # Safety
    /// As for `LeafLock::acquired`.
    pub(super) unsafe fn acquired(&self) -> &mut T {
        // SAFETY: the caller has the lock.
        unsafe { &mut *self.value.get() }
    }

    /// # Safety
    /// As for `LeafLock::release`.
    pub(super) unsafe fn release(&self) {
        // SAFETY: the caller has the lock. The guard is taken out first, because dropping it lets others in.
        let guard = unsafe { (*self.guard.get()).take() };
        drop(guard);
    }

    pub(super) fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        self.acquire();
        // SAFETY: the lock is held, and the reference gone when it is released.
        unsafe {
            let result = f(self.acquired());
            self.release();
            result
        }
    }

    pub(super) fn with_interrupts_off<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        self.with(f)
    }
}
