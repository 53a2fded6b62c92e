//! Sleeping until the other side has done something.

use crate::memory::Memory;
use crate::sync::{Ordering, fence};

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

    fn is_closed(&self) -> bool {
        B::is_closed(self)
    }
}

/// Says in word `sleeps` that this side is about to sleep. What it looks at next is what is there now. (Hazard 1.)
pub(crate) fn announce(memory: &impl Memory, sleeps: usize) {
    memory.word(sleeps).store(1, Ordering::Relaxed);
    // Partner: the one in `wake`.
    fence(Ordering::SeqCst);
}

/// Says in word `sleeps` that this side is awake.
pub(crate) fn withdraw(memory: &impl Memory, sleeps: usize) {
    // Relaxed: too late, it is rung once too often.
    memory.word(sleeps).store(0, Ordering::Relaxed);
}

/// Rings if word `sleeps` says that the other side sleeps, after something was published for it. (Hazard 1.)
#[inline]
pub(crate) fn wake(memory: &impl Memory, sleeps: usize, bell: &impl Bell) {
    // Partner: the one in `announce`.
    fence(Ordering::SeqCst);
    let sleeps = memory.word(sleeps);
    if sleeps.load(Ordering::Relaxed) != 0 {
        sleeps.store(0, Ordering::Relaxed);
        bell.ring();
    }
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
