//! kthreads on the host: each thread is one, and under loom each of loom's threads.
//!
//! The counterpart of what stands on the real machine, with the same names and the same contracts, so that everything
//! that sleeps can be tested by real threads and modelled by loom. Switching stacks is the host's business here: [`block`]
//! gives up the lock and waits for a flag. A wake-up that comes between the two is kept by the flag, where on the machine
//! it cannot come, because the lock is given up on another stack.
//!
//! There are no interrupts but the flag that `arch::hosted` keeps, and no core is interrupted: what a handler would do, a
//! test does from another thread.

#[cfg(all(loom, test))]
use loom::{sync, thread, thread_local};
#[cfg(not(all(loom, test)))]
use std::{sync, thread, thread_local};

use core::fmt;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;

use sync::{Condvar, Mutex, MutexGuard};

use super::sync::AbortSlot;

#[cfg(test)]
mod clock;

#[cfg(test)]
pub(crate) use clock::Clock;

/// The lock of what sleepers queue in.
#[derive(Debug)]
pub(crate) struct WaitLock<T> {
    inner: Mutex<T>,
    /// For [`retire`](Self::retire).
    #[cfg(all(loom, test))]
    memory: crate::sync::cell::UnsafeCell<()>,
}

/// Access to what a [`WaitLock`] protects. [`block`] takes it and gives it up once the sleeper is off its stack.
#[must_use = "the lock is free again when the guard is dropped"]
pub(crate) struct WaitGuard<'a, T> {
    // In this order: the lock is free before interrupts come back.
    inner: MutexGuard<'a, T>,
    #[cfg(not(all(loom, test)))]
    _off: crate::sync::IrqGuard,
    #[cfg(all(loom, test))]
    memory: &'a crate::sync::cell::UnsafeCell<()>,
    /// On the machine it speaks of the core that made it.
    _not_send: PhantomData<*mut ()>,
}

impl<T> WaitLock<T> {
    /// A free lock around `value`.
    #[cfg(not(all(loom, test)))]
    pub(crate) const fn new(value: T) -> Self {
        Self { inner: Mutex::new(value) }
    }

    /// A free lock around `value`.
    #[cfg(all(loom, test))]
    pub(crate) fn new(value: T) -> Self {
        Self { inner: Mutex::new(value), memory: crate::sync::cell::UnsafeCell::new(()) }
    }

    /// Has loom look whether anybody may still use the lock, whose memory goes away.
    #[cfg(all(loom, test))]
    pub(crate) fn retire(&mut self) {
        self.memory.with_mut(|_| ());
    }

    /// As [`lock`](Self::lock), where interrupts are on.
    pub(crate) fn lock_with_interrupts_on(&self) -> WaitGuard<'_, T> {
        self.lock()
    }

    /// Waits until nobody else has the lock, and takes it. Any context.
    #[inline]
    pub(crate) fn lock(&self) -> WaitGuard<'_, T> {
        #[cfg(not(all(loom, test)))]
        let _off = crate::sync::IrqGuard::new();
        let inner = self.inner.lock().expect("nobody panics with the lock held");
        WaitGuard {
            inner,
            #[cfg(not(all(loom, test)))]
            _off,
            #[cfg(all(loom, test))]
            memory: &self.memory,
            _not_send: PhantomData,
        }
    }
}

#[cfg(all(loom, test))]
impl<T> Drop for WaitGuard<'_, T> {
    fn drop(&mut self) {
        // The lock is released right after this.
        self.memory.with(|_| ());
    }
}

impl<T> Deref for WaitGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.inner
    }
}

impl<T> DerefMut for WaitGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.inner
    }
}

/// What there is of a kthread on the host. Lives for ever: whoever wakes a thread that then ends may still hold it.
struct Kthread {
    name: Option<String>,
    abort: AbortSlot,
    woken: Mutex<bool>,
    signal: Condvar,
    #[cfg(all(test, not(loom)))]
    waits_for: Mutex<Option<Wait>>,
}

/// A kthread that sleeps or is about to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sleeper(NonNull<Kthread>);

impl Sleeper {
    /// A number that no other kthread has while this one lives; neither 0 nor odd.
    pub(crate) fn addr(self) -> usize {
        self.0.addr().get()
    }

    /// Where the kthread can be asked to give up what it waits for.
    pub(crate) fn abort_slot(&self) -> &AbortSlot {
        &self.kthread().abort
    }

    /// What it sleeps on, if it does.
    #[cfg(all(test, not(loom)))]
    pub(crate) fn waits_for(&self) -> Option<Wait> {
        *self.kthread().waits_for.lock().expect("nobody panics with the lock held")
    }

    fn kthread(self) -> &'static Kthread {
        // SAFETY: made by `current` from a reference that lives for ever.
        unsafe { self.0.as_ref() }
    }
}

// SAFETY: what it leads to is shared, and lives for ever.
unsafe impl Send for Sleeper {}
// SAFETY: as above.
unsafe impl Sync for Sleeper {}

/// The kthread's name.
impl fmt::Display for Sleeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kthread().name.as_deref().unwrap_or("nameless"))
    }
}

/// What a sleeper waits for, for dumps.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wait {
    /// The kind of object.
    pub(crate) kind: &'static str,
    /// The object's address.
    #[allow(dead_code, reason = "there are no dumps on the host")]
    pub(crate) object: usize,
}

thread_local! {
    static CURRENT: &'static Kthread = Box::leak(Box::new(Kthread {
        name: thread::current().name().map(str::to_owned),
        abort: AbortSlot::new(),
        woken: Mutex::new(false),
        signal: Condvar::new(),
        #[cfg(all(test, not(loom)))]
        waits_for: Mutex::new(None),
    }));
}

/// The running kthread.
pub(crate) fn current() -> Sleeper {
    CURRENT.with(|current| Sleeper(NonNull::from(*current)))
}

/// Blocks the running kthread and gives up the lock. Returns once it was woken.
pub(crate) fn block<T>(guard: WaitGuard<'_, T>, wait: Wait) {
    let me = current().kthread();
    me.note(Some(wait));
    drop(guard);
    // As on the machine, where this is what makes the switch possible.
    assert_may_block(|| wait.kind);
    // Where on the machine interrupts come on.
    #[cfg(test)]
    clock::interrupt_if_due();
    me.sleep();
}

/// As [`block`].
pub(crate) fn block_as<T>(_me: Sleeper, guard: WaitGuard<'_, T>, wait: Wait) {
    block(guard, wait);
}

/// Lets a kthread go on that [`block`]s or is about to. Once for each time. Any context.
pub(crate) fn wake(sleeper: Sleeper) {
    sleeper.kthread().wake();
}

/// Releases the lock under which the sleeper was taken out of its queue, and wakes it.
pub(crate) fn unlock_and_wake<T>(guard: WaitGuard<'_, T>, sleeper: Sleeper) {
    drop(guard);
    wake(sleeper);
}

/// As [`unlock_and_wake`].
pub(crate) fn unlock_and_wake_on<T>(guard: WaitGuard<'_, T>, sleeper: Sleeper, core: usize) {
    drop(guard);
    wake_on(sleeper, core);
}

/// As [`wake`]; on the host, which core it goes on on is the host's business.
pub(crate) fn wake_on(sleeper: Sleeper, _core: usize) {
    wake(sleeper);
}

impl Kthread {
    fn note(&self, wait: Option<Wait>) {
        #[cfg(all(test, not(loom)))]
        {
            *self.waits_for.lock().expect("nobody panics with the lock held") = wait;
        }
        #[cfg(not(all(test, not(loom))))]
        let _ = wait;
    }

    // (Parking would be simpler, but loom's token is lost when the thread waits for a lock in between.)
    fn sleep(&self) {
        let mut woken = self.woken.lock().expect("nobody panics with the lock held");
        while !*woken {
            woken = self.signal.wait(woken).expect("nobody panics with the lock held");
        }
        *woken = false;
    }

    fn wake(&self) {
        // At once, so that a test that looks for it next time it sleeps does not take this time for it.
        self.note(None);
        *self.woken.lock().expect("nobody panics with the lock held") = true;
        self.signal.notify_one();
    }
}

/// Panics if the calling thread may not block: it holds a spin lock, or has interrupts off. `what` would block.
pub(crate) fn assert_may_block(what: impl Fn() -> &'static str) {
    // Loom's threads are no cores.
    #[cfg(not(all(loom, test)))]
    crate::sync::assert_may_block(what());
    #[cfg(all(loom, test))]
    let _ = what;
}
