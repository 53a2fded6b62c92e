//! Sleeping until a condition holds that somebody else brings about, with no lock around it.
//!
//! The condition is a closure, looked at by the sleeper, in its own context: it may take locks, and block. Whoever changes
//! what the condition looks at calls [`Rendezvous::wake`] afterwards. That is all the two have to agree on.
//!
//! What makes it work is `epoch`, which counts calls of `wake`:
//!
//! ```text
//!   sleeper                                         waker
//!   1  reads epoch                                  a  changes the condition
//!   2  looks at the condition: no                   b  under the lock: epoch += 1, lets all go
//!   3  under the lock: epoch as in 1?  no: 1
//!                                      yes: queue, sleep
//! ```
//!
//! # Hazards
//!
//! 1. *The condition comes true between 2 and 3.* If b was before 3, the epoch shows it. If not, b finds the sleeper in the
//!    queue.
//! 2. *b was before 1, and yet 2 does not see what a did.* Reading the epoch synchronises with whoever wrote it.
//! 3. *The time is up before the sleep* (races, kthreads 13). Whether it is up is asked of the clock under the lock, each time
//!    anew, and not of a flag that a handler sets. The condition has the last word: it is looked at once more.
//!
//! A [`Condvar`](super::Condvar) is for conditions that a mutex protects, and does not wake everybody.

use super::limit::{Bounds, Interrupted, Limit, blocking};
use super::waiter::{Queue, Waitable, Woken, sleep};
use crate::kthread::{WaitGuard, WaitLock, assert_may_block};
use crate::sync::atomic::{AtomicUsize, Ordering};

#[cfg(all(loom, test))]
mod model;
#[cfg(all(test, not(loom)))]
mod tests;

/// Where kthreads wait for conditions.
///
/// ```no_run
/// use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
///
/// use libkern::kthread::sync::Rendezvous;
///
/// static ARRIVED: AtomicUsize = AtomicUsize::new(0);
/// static ARRIVAL: Rendezvous = Rendezvous::new();
///
/// fn arrive() {
///     ARRIVED.fetch_add(1, Relaxed);
///     ARRIVAL.wake();
/// }
///
/// fn wait_for(parties: usize) {
///     ARRIVAL.sleep(|| ARRIVED.load(Relaxed) >= parties);
/// }
/// # arrive();
/// # wait_for(1);
/// ```
pub struct Rendezvous {
    epoch: AtomicUsize,
    queue: WaitLock<Queue<()>>,
}

impl Rendezvous {
    /// Nobody waits.
    #[cfg(not(all(loom, test)))]
    pub const fn new() -> Self {
        Self { epoch: AtomicUsize::new(0), queue: WaitLock::new(Queue::new()) }
    }

    /// Nobody waits.
    #[cfg(all(loom, test))]
    pub fn new() -> Self {
        Self { epoch: AtomicUsize::new(0), queue: WaitLock::new(Queue::new()) }
    }

    blocking! {
        /// Sleeps until `condition` holds, at which it looks first, after each [`wake`](Self::wake), and when a limit is
        /// reached.
        fn sleep, sleep_timeout, sleep_until, sleep_abortable, sleep_abortable_until <C: FnMut() -> bool>(
            condition: C) -> () = sleep_within;
    }

    /// Has all who sleep look at their conditions, and says how many these are. To be called after a change that one may
    /// wait for. Any context; takes as long as it takes to wake them.
    pub fn wake(&self) -> usize {
        let mut woken = Woken::nobody();
        let mut queue = self.queue.lock();
        // Release: what led to this call comes before a look at the condition that begins with this epoch. Partner:
        // `sleep_within`.
        self.epoch.fetch_add(1, Ordering::Release);
        queue.grant_all(&mut woken);
        drop(queue);
        woken.wake()
    }

    #[track_caller]
    fn sleep_within<C: FnMut() -> bool, L: Limit>(&self, mut condition: C, limit: L) -> Result<(), L::Cut> {
        assert_may_block(|| "Rendezvous::sleep");
        let mut bounds = None;
        loop {
            // Acquire: partner in `wake`.
            let epoch = self.epoch.load(Ordering::Acquire);
            if condition() {
                return Ok(());
            }
            let bounds = *bounds.get_or_insert_with(|| limit.bounds());
            if let Err(why) = self.sleep_in(epoch, bounds) {
                return if condition() { Ok(()) } else { Err(limit.cut(why)) };
            }
        }
    }

    /// Sleeps until the epoch is not this one.
    fn sleep_in(&self, epoch: usize, bounds: Bounds) -> Result<(), Interrupted> {
        let queue = self.queue.lock();
        // Relaxed: written under the lock.
        if self.epoch.load(Ordering::Relaxed) != epoch {
            return Ok(());
        }
        sleep(self, queue, (), bounds)
    }
}

impl Default for Rendezvous {
    fn default() -> Self {
        Self::new()
    }
}

impl core::fmt::Debug for Rendezvous {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Rendezvous").finish_non_exhaustive()
    }
}

// SAFETY: one lock, one queue in it, which is never replaced.
unsafe impl Waitable for Rendezvous {
    type State = Queue<()>;
    type Want = ();
    const KIND: &'static str = "rendezvous";

    #[inline(always)]
    fn lock(&self) -> WaitGuard<'_, Queue<()>> {
        self.queue.lock()
    }

    #[inline(always)]
    fn queue(queue: &mut Queue<()>, (): ()) -> &mut Queue<()> {
        queue
    }

    fn left(&self, _queue: &mut Queue<()>, (): (), _woken: &mut Woken<()>) {}
}
