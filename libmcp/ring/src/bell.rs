//! Sleeping until the other side has done something.

use crate::sync::{AtomicU64, Ordering, fence};

/// The wait was ended by something else: its time, or somebody who wants it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interrupted;

/// How two sides wake each other.
pub trait Bell {
    /// Wakes everybody on the other side who waits. Cannot fail: if nobody is there, nobody waits.
    fn ring(&self);

    /// From now on each ring of the other side counts. What this gives is for [`wait`](Self::wait).
    fn prepare(&self) -> u64;

    /// Sleeps until the other side has rung since [`prepare`](Self::prepare) gave `since`, or has gone; perhaps for less.
    ///
    /// # Errors
    /// [`Interrupted`].
    fn wait(&self, since: u64) -> Result<(), Interrupted>;

    /// As [`ring`](Self::ring) and [`wait`](Self::wait), one after the other, or both at once.
    ///
    /// # Errors
    /// [`Interrupted`].
    fn ring_and_wait(&self, since: u64) -> Result<(), Interrupted> {
        self.ring();
        self.wait(since)
    }

    /// Whether the other side is gone for good.
    fn is_closed(&self) -> bool;
}

impl<B: Bell + ?Sized> Bell for &B {
    fn ring(&self) {
        B::ring(self);
    }

    fn prepare(&self) -> u64 {
        B::prepare(self)
    }

    fn wait(&self, since: u64) -> Result<(), Interrupted> {
        B::wait(self, since)
    }

    fn ring_and_wait(&self, since: u64) -> Result<(), Interrupted> {
        B::ring_and_wait(self, since)
    }

    fn is_closed(&self) -> bool {
        B::is_closed(self)
    }
}

/// Says in word `sleeps` that this side is about to sleep. What it looks at next is what is there now. (Hazard 1.)
pub(crate) fn announce(sleeps: &AtomicU64) {
    announce_unfenced(sleeps);
    // Partner: the one in `wake`.
    fence(Ordering::SeqCst);
}

/// As [`announce`], for who has more to say before a fence of its own.
#[inline(always)]
pub(crate) fn announce_unfenced(sleeps: &AtomicU64) {
    sleeps.store(1, Ordering::Relaxed);
}

/// Says in word `sleeps` that this side is awake.
#[inline(always)]
pub(crate) fn withdraw(sleeps: &AtomicU64) {
    // Relaxed: too late, it is rung once too often.
    sleeps.store(0, Ordering::Relaxed);
}

/// Rings if word `sleeps` says that the other side sleeps, after something was published for it. (Hazard 1.)
#[inline]
pub(crate) fn wake(sleeps: &AtomicU64, bell: &impl Bell) {
    // Partner: the one in `announce`.
    fence(Ordering::SeqCst);
    if take_sleeper(sleeps) {
        bell.ring();
    }
}

/// Whether word `sleeps` says that the other side sleeps, which is to be rung then. After a fence behind what was published
/// for it.
#[inline(always)]
pub(crate) fn take_sleeper(sleeps: &AtomicU64) -> bool {
    let is_asleep = sleeps.load(Ordering::Relaxed) != 0;
    if is_asleep {
        sleeps.store(0, Ordering::Relaxed);
    }
    is_asleep
}

#[cfg(all(test, not(loom)))]
pub(crate) mod testing {
    use core::cell::Cell;

    use super::{Bell, Interrupted};

    /// A bell for one thread: it counts, and whoever waits is interrupted.
    #[derive(Clone, Debug, Default)]
    pub struct Silent {
        rung: Cell<u64>,
        is_closed: Cell<bool>,
    }

    impl Silent {
        pub fn rung(&self) -> u64 {
            self.rung.get()
        }

        pub fn close(&self) {
            self.is_closed.set(true);
        }
    }

    impl Bell for Silent {
        fn ring(&self) {
            self.rung.set(self.rung.get() + 1);
        }

        fn prepare(&self) -> u64 {
            0
        }

        fn wait(&self, _: u64) -> Result<(), Interrupted> {
            Err(Interrupted)
        }

        fn is_closed(&self) -> bool {
            self.is_closed.get()
        }
    }
}
