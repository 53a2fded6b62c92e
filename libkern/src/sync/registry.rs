//! A list that things enter and never leave.
//!
//! For what must be found by others once it exists and then exists for ever, such as what each core has of its own.
//! Entering is one exchange, without a lock; walking the list takes no lock either and sees at least what had entered when
//! the walk began.

use core::ops::Deref;
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

/// A list of [`Entry`]s.
///
/// # Invariants
/// `first` and every `next` reachable from it are null or point at an entry that was passed to [`Registry::enter`].
#[derive(Debug)]
pub struct Registry<T: 'static> {
    first: AtomicPtr<Entry<T>>,
}

/// Something that can enter a [`Registry`].
#[derive(Debug)]
pub struct Entry<T: 'static> {
    next: AtomicPtr<Entry<T>>,
    value: T,
}

impl<T> Entry<T> {
    /// An entry that has not entered yet.
    pub const fn new(value: T) -> Self {
        Self { next: AtomicPtr::new(ptr::null_mut()), value }
    }
}

impl<T> Deref for Entry<T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: Sync> Registry<T> {
    /// An empty list.
    pub const fn new() -> Self {
        Self { first: AtomicPtr::new(ptr::null_mut()) }
    }

    /// Puts an entry into the list. Any context.
    ///
    /// An entry enters one registry, once: entering again would cut off what follows it or make the list a ring.
    pub fn enter(&self, entry: &'static Entry<T>) {
        let mine = ptr::from_ref(entry).cast_mut();
        let mut first = self.first.load(Ordering::Relaxed);
        loop {
            // Relaxed: published by the exchange.
            entry.next.store(first, Ordering::Relaxed);
            // Release: whoever finds the entry finds what it holds. Pairs with the load in `iter`.
            match self.first.compare_exchange_weak(first, mine, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => first = now,
            }
        }
    }

    /// What has entered, the last first. Any context.
    pub fn iter(&self) -> impl Iterator<Item = &'static T> {
        // Acquire: pairs with the exchange in `enter`. Those that entered before are visible too, because each exchange
        // reads the one before it and so continues its release sequence.
        let mut next = self.first.load(Ordering::Acquire);
        core::iter::from_fn(move || {
            // SAFETY: null or an entry (invariant of the type), which is a static that is only ever shared.
            let entry: &'static Entry<T> = unsafe { next.as_ref() }?;
            // Relaxed: written before the entry was published, never after.
            next = entry.next.load(Ordering::Relaxed);
            Some(&entry.value)
        })
    }
}

impl<T: Sync> Default for Registry<T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_enter_at_once_are_found() {
        static REGISTRY: Registry<usize> = Registry::new();
        std::thread::scope(|scope| {
            for thread in 0..4 {
                scope.spawn(move || {
                    for i in 0..1000 {
                        REGISTRY.enter(Box::leak(Box::new(Entry::new(thread * 1000 + i))));
                        assert!(REGISTRY.iter().any(|&value| value == thread * 1000 + i));
                    }
                });
            }
        });
        let mut found: Vec<usize> = REGISTRY.iter().copied().collect();
        found.sort_unstable();
        assert_eq!(found, (0..4000).collect::<Vec<_>>());
    }
}
