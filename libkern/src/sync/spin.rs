//! The spin locks that keep books.
//!
//! The waiting itself is the `spin` crate's. What is added: a name, the holder's core (for the check below and for
//! dumps), the core's depth in locks, and for [`IrqSpinLock`] interrupts off, *before* the lock is sought. Waiting with
//! interrupts off is as long as the critical sections of the cores ahead, which is why they must be short.
//!
//! **Self-deadlock.** Whoever finds the lock taken compares its holder with the running core. Equal means that the code
//! that holds it is below on this very core's stacks, and will not go on until we return: a panic with the lock's name.
//! The comparison costs nothing when the lock is free. The holder is a hint that is exact where it matters: this core
//! wrote it itself if it holds the lock, and if it does not, no other core writes this core's number.
//!
//! Fair locks (tickets) were rejected for now: under an emulator with fewer host threads than cores, a ticket whose turn
//! has come but whose core does not run stops everybody behind it.

use core::fmt;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};
use core::sync::atomic::{AtomicUsize, Ordering};

use ::spin::RelaxStrategy;
use ::spin::mutex::spin::{SpinMutex, SpinMutexGuard};

use super::IrqGuard;
use super::depth::LOCKS;
use super::percore::SLOT_LOCK;
use crate::arch;

/// What a core does while it waits.
#[derive(Debug)]
pub(super) struct Relax;

impl RelaxStrategy for Relax {
    #[inline(always)]
    fn relax() {
        arch::relax();
    }
}

pub(super) type Raw<T> = SpinMutex<T, Relax>;

/// A lock without books, for what is locked by one call stack and released by another. Aligned so that its address has
/// room for a tag.
#[cfg(not(any(test, feature = "hosted")))]
#[derive(Debug)]
#[repr(align(8))]
pub(crate) struct RawSpin {
    inner: Raw<()>,
}

#[cfg(not(any(test, feature = "hosted")))]
impl RawSpin {
    /// A free lock.
    pub(crate) const fn new() -> Self {
        Self { inner: Raw::new(()) }
    }

    /// Waits for the lock and takes it. Interrupts are off, and stay off until it is released.
    #[inline(always)]
    pub(crate) fn lock(&self) {
        match self.inner.try_lock() {
            Some(guard) => core::mem::forget(guard),
            None => self.wait(),
        }
    }

    #[cold]
    #[inline(never)]
    fn wait(&self) {
        core::mem::forget(self.inner.lock());
    }

    /// Releases the lock.
    ///
    /// # Safety
    /// It is held, on this core, by what the caller stands for.
    #[inline(always)]
    pub(crate) unsafe fn unlock(&self) {
        // SAFETY: the caller's word.
        unsafe { self.inner.force_unlock() };
    }
}
pub(super) type RawGuard<'a, T> = SpinMutexGuard<'a, T, Relax>;

/// Nobody. Holders are core numbers.
const NOBODY: usize = usize::MAX;

/// Data that no interrupt handler touches, for one core at a time. Leaves interrupts as they are.
pub struct SpinLock<T> {
    books: Books,
    inner: Raw<T>,
}

/// Who holds a lock, and what it is called.
struct Books {
    name: &'static str,
    holder: AtomicUsize,
}

impl Books {
    /// For whoever finds the lock taken. Panics if it is this core that holds it.
    #[inline(never)]
    fn assert_not_mine(&self) {
        let (holder, me) = (self.holder.load(Ordering::Relaxed), arch::core_id());
        assert!(holder != me, "core {me} waits for the lock `{}`, which it holds itself", self.name);
    }
}

/// The name of the lock that this core took last of those that it holds, or a word for not knowing: locks that were
/// released in another order than the reverse of that of taking leave a gap.
pub(super) fn last_taken() -> &'static str {
    let books = core::ptr::with_exposed_provenance::<Books>(arch::slot::get::<SLOT_LOCK>());
    // SAFETY: null, or the books of a lock that this core held; memory that locks lie in stays mapped. Those of a lock that
    // it holds no longer do not have it as the holder.
    match unsafe { books.as_ref() } {
        Some(books) if books.holder.load(Ordering::Relaxed) == arch::core_id() => books.name,
        _ => "?",
    }
}

/// Access to what a [`SpinLock`] protects. Nothing may block while it lives.
#[must_use = "the lock is free again when the guard is dropped"]
pub struct SpinGuard<'a, T> {
    lock: &'a SpinLock<T>,
    /// Always there but while the guard is dropped, when it must go before the depth does.
    inner: Option<RawGuard<'a, T>>,
    /// What the core had taken before.
    before: usize,
    /// The core's depth went up with it, so it stays on the core.
    _not_send: PhantomData<*mut ()>,
}

impl<T> SpinLock<T> {
    /// A free lock around `value`; `name` is what panics and dumps call it.
    pub const fn new(name: &'static str, value: T) -> Self {
        Self { books: Books { name, holder: AtomicUsize::new(NOBODY) }, inner: Raw::new(value) }
    }

    /// Waits until no other core holds the lock, and takes it. Any context but NMI, as long as it is the same for all
    /// who take this lock: task context or handlers.
    ///
    /// # Panics
    /// If this core holds it already.
    #[inline]
    pub fn lock(&self) -> SpinGuard<'_, T> {
        // The depth goes up first: a handler that interrupts us between the two finds too much, never too little.
        arch::depth::raise::<LOCKS>();
        let inner = match self.inner.try_lock() {
            Some(guard) => guard,
            None => self.wait(),
        };
        self.held(inner)
    }

    /// As [`lock`](Self::lock), but keeps no books, as [`LeafLock`](super::LeafLock) keeps none.
    ///
    /// # Safety
    /// Interrupts are off, and stay so as long as the guard is there. The caller neither blocks meanwhile nor takes this lock
    /// again: nobody would notice.
    #[cfg(not(any(test, feature = "hosted")))]
    #[inline(always)]
    pub(crate) unsafe fn lock_quick(&self) -> impl DerefMut<Target = T> + '_ {
        match self.inner.try_lock() {
            Some(guard) => guard,
            None => self.wait(),
        }
    }

    /// Takes the lock if it is free. Any context.
    #[inline]
    pub fn try_lock(&self) -> Option<SpinGuard<'_, T>> {
        arch::depth::raise::<LOCKS>();
        match self.inner.try_lock() {
            Some(guard) => Some(self.held(guard)),
            None => {
                arch::depth::lower::<LOCKS>();
                None
            }
        }
    }

    /// What panics and dumps call the lock.
    pub fn name(&self) -> &'static str {
        self.books.name
    }

    /// The data, without locking: nobody else has a reference.
    pub fn get_mut(&mut self) -> &mut T {
        self.inner.get_mut()
    }

    #[inline]
    fn held<'a>(&'a self, inner: RawGuard<'a, T>) -> SpinGuard<'a, T> {
        // Relaxed: only this core will find its own number here, and it sees its own stores.
        self.books.holder.store(arch::core_id(), Ordering::Relaxed);
        let before = arch::slot::get::<SLOT_LOCK>();
        arch::slot::set::<SLOT_LOCK>(core::ptr::from_ref(&self.books).expose_provenance());
        SpinGuard { lock: self, inner: Some(inner), before, _not_send: PhantomData }
    }

    #[cold]
    fn wait(&self) -> RawGuard<'_, T> {
        self.books.assert_not_mine();
        self.inner.lock()
    }
}

impl<T> Drop for SpinGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        // Relaxed, and before the lock is free: the next holder's store comes after its acquisition.
        self.lock.books.holder.store(NOBODY, Ordering::Relaxed);
        arch::slot::set::<SLOT_LOCK>(self.before);
        self.inner = None;
        arch::depth::lower::<LOCKS>();
    }
}

impl<T> Deref for SpinGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        self.inner.as_ref().expect("there until the guard is dropped")
    }
}

impl<T> DerefMut for SpinGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        self.inner.as_mut().expect("there until the guard is dropped")
    }
}

impl<T> fmt::Debug for SpinLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("SpinLock");
        shown.field("name", &self.books.name);
        match self.books.holder.load(Ordering::Relaxed) {
            NOBODY => shown.field("holder", &"nobody"),
            core => shown.field("holder", &core),
        };
        shown.finish_non_exhaustive()
    }
}

/// Data that interrupt handlers touch too. Interrupts are off on the holder's core.
#[derive(Debug)]
pub struct IrqSpinLock<T> {
    lock: SpinLock<T>,
}

/// Access to what an [`IrqSpinLock`] protects, and proof that interrupts are off.
#[must_use = "the lock is free again when the guard is dropped"]
pub struct IrqSpinGuard<'a, T> {
    // In this order: the lock is free before interrupts come back.
    guard: SpinGuard<'a, T>,
    off: IrqGuard,
}

impl<T> IrqSpinLock<T> {
    /// A free lock around `value`; `name` is what panics and dumps call it.
    pub const fn new(name: &'static str, value: T) -> Self {
        Self { lock: SpinLock::new(name, value) }
    }

    /// Turns interrupts off, waits until no other core holds the lock, and takes it. Any context but NMI.
    ///
    /// # Panics
    /// If this core holds it already.
    #[inline]
    pub fn lock(&self) -> IrqSpinGuard<'_, T> {
        let off = IrqGuard::new();
        IrqSpinGuard { guard: self.lock.lock(), off }
    }

    /// As [`lock`](Self::lock), but says nothing of interrupts.
    ///
    /// # Safety
    /// They are off, and stay so as long as the guard is there.
    #[cfg(not(any(test, feature = "hosted")))]
    #[inline]
    pub(crate) unsafe fn lock_masked(&self) -> SpinGuard<'_, T> {
        self.lock.lock()
    }

    /// As [`SpinLock::lock_quick`].
    ///
    /// # Safety
    /// As there.
    #[cfg(not(any(test, feature = "hosted")))]
    #[inline(always)]
    pub(crate) unsafe fn lock_quick(&self) -> impl DerefMut<Target = T> + '_ {
        // SAFETY: the caller's word.
        unsafe { self.lock.lock_quick() }
    }

    /// Takes the lock if it is free. Any context, NMI and panic included.
    #[inline]
    pub fn try_lock(&self) -> Option<IrqSpinGuard<'_, T>> {
        let off = IrqGuard::new();
        let guard = self.lock.try_lock()?;
        Some(IrqSpinGuard { guard, off })
    }

    /// What panics and dumps call the lock.
    pub fn name(&self) -> &'static str {
        self.lock.name()
    }

    /// The data, without locking: nobody else has a reference.
    pub fn get_mut(&mut self) -> &mut T {
        self.lock.get_mut()
    }
}

impl<T> IrqSpinGuard<'_, T> {
    /// The proof that interrupts are off, for as long as the lock is held.
    #[inline]
    pub fn interrupts_off(&self) -> &IrqGuard {
        &self.off
    }
}

impl<T> Deref for IrqSpinGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.guard
    }
}

impl<T> DerefMut for IrqSpinGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.guard
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::irq;

    #[test]
    fn increments_of_several_cores_are_all_counted() {
        let lock = SpinLock::new("counter", 0);
        let irq_lock = IrqSpinLock::new("counter with interrupts off", 0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..10_000 {
                        *lock.lock() += 1;
                        *irq_lock.lock() += 1;
                    }
                });
            }
        });
        assert_eq!((*lock.lock(), *irq_lock.lock()), (40_000, 40_000));
    }

    #[test]
    #[should_panic(expected = "waits for the lock `printer`, which it holds itself")]
    fn taking_a_lock_twice_on_one_core_is_a_panic_that_names_it() {
        let lock = SpinLock::new("printer", ());
        let _first = lock.lock();
        let _second = lock.lock();
    }

    #[test]
    fn a_lock_that_is_taken_is_not_taken_again_by_try_lock() {
        let lock = IrqSpinLock::new("tried", ());
        let held = lock.try_lock();
        assert!(held.is_some() && lock.try_lock().is_none());
        drop(held);
        assert!(lock.try_lock().is_some());
    }

    #[test]
    fn interrupts_are_off_until_the_last_of_two_locks_is_released() {
        let (a, b) = (IrqSpinLock::new("a", ()), IrqSpinLock::new("b", ()));
        let held_a = a.lock();
        let held_b = b.lock();
        drop(held_a);
        assert!(!irq::enabled());
        drop(held_b);
        assert!(irq::enabled());
    }
}
