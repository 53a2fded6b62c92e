//! Condition variables: sleeping until somebody has changed what a mutex protects.
//!
//! A waiter enters the variable's queue *before* it releases the mutex, both under the queue's lock, which it holds until it
//! is off its stack. Whoever changes the condition does so under the mutex, so later, and then finds the waiter. (Races,
//! the user-level runtime 12.) A notification with nobody there is lost; the condition is not, if it is looked at under the
//! mutex, which is what [`wait_while`](Condvar::wait_while) does.
//!
//! **Order of locks**: the variable's queue, then the mutex's, which releasing the mutex takes. Nothing takes them the
//! other way round: locking the mutex again happens when the variable's queue has been left.
//!
//! **Limits** are for the notification. The mutex is locked again in any case, for as long as that takes. A notification and
//! a limit that meet are decided under the queue's lock: whoever was notified has been, and says so; a notification for one
//! never goes to a waiter that has given up.
//!
//! Whoever waits is woken by notifications and limits only; but another may have the mutex first, and undo the condition. So
//! the loop is needed.
//!
//! Rejected: having the notified go straight into the mutex's queue, which saves a wake-up where the notifier holds the
//! mutex. A waiter would then be in two queues in turn, and limits would have to know in which.

use super::limit::{Abortable, AbortableUntil, Aborted, Bounds, Interrupted, Limit, Never, TimedOut, Until, Within};
use super::mutex::MutexGuard;
use super::waiter::{Queue, Waitable, Woken, sleep_after};
use crate::kthread::{WaitGuard, WaitLock, assert_may_block};
use crate::time::{Duration, Instant};

#[cfg(all(loom, test))]
mod model;
#[cfg(all(test, not(loom)))]
mod tests;

/// Where kthreads sleep until told that a condition may hold.
///
/// ```no_run
/// use libkern::kthread::sync::{Condvar, Mutex};
///
/// static WORK: Mutex<Vec<&str>> = Mutex::new(Vec::new());
/// static MORE: Condvar = Condvar::new();
///
/// fn give(job: &'static str) {
///     WORK.lock().push(job);
///     MORE.notify_one();
/// }
///
/// fn take() -> Option<&'static str> {
///     MORE.wait_while(WORK.lock(), |work| work.is_empty()).pop()
/// }
/// # give("a job");
/// # assert!(take().is_some());
/// ```
pub struct Condvar {
    queue: WaitLock<Queue<()>>,
}

impl Condvar {
    /// Nobody waits.
    #[cfg(not(all(loom, test)))]
    pub const fn new() -> Self {
        Self { queue: WaitLock::new(Queue::new()) }
    }

    /// Nobody waits.
    #[cfg(all(loom, test))]
    pub fn new() -> Self {
        Self { queue: WaitLock::new(Queue::new()) }
    }

    /// Releases the mutex, sleeps until notified, and takes the mutex again.
    ///
    /// Blocks: kthread context, no spin lock held, interrupts on.
    ///
    /// # Panics
    /// If this context may not block.
    pub fn wait<'a, T: ?Sized>(&self, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        let (guard, Ok(())) = self.wait_within(guard, Never);
        guard
    }

    /// [`wait`](Self::wait) for at most a time; then says that it was up, with the mutex taken.
    ///
    /// # Panics
    /// If this context may not block.
    pub fn wait_timeout<'a, T: ?Sized>(
        &self,
        guard: MutexGuard<'a, T>,
        timeout: Duration,
    ) -> (MutexGuard<'a, T>, Result<(), TimedOut>) {
        self.wait_within(guard, Within(timeout))
    }

    /// [`wait`](Self::wait) until a moment at the latest; then says that it came, with the mutex taken.
    ///
    /// # Panics
    /// If this context may not block.
    pub fn wait_until<'a, T: ?Sized>(
        &self,
        guard: MutexGuard<'a, T>,
        deadline: Instant,
    ) -> (MutexGuard<'a, T>, Result<(), TimedOut>) {
        self.wait_within(guard, Until(deadline))
    }

    /// [`wait`](Self::wait), unless the kthread is asked to give up; then says so, with the mutex taken.
    ///
    /// # Panics
    /// If this context may not block.
    pub fn wait_abortable<'a, T: ?Sized>(&self, guard: MutexGuard<'a, T>) -> (MutexGuard<'a, T>, Result<(), Aborted>) {
        self.wait_within(guard, Abortable)
    }

    /// [`wait`](Self::wait) until a moment at the latest, unless the kthread is asked to give up; then says which, with the
    /// mutex taken.
    ///
    /// # Panics
    /// If this context may not block.
    pub fn wait_abortable_until<'a, T: ?Sized>(
        &self,
        guard: MutexGuard<'a, T>,
        deadline: Instant,
    ) -> (MutexGuard<'a, T>, Result<(), Interrupted>) {
        self.wait_within(guard, AbortableUntil(deadline))
    }

    /// [`wait`](Self::wait)s as long as the condition holds, of which the mutex's data tells.
    ///
    /// # Panics
    /// If this context may not block.
    pub fn wait_while<'a, T: ?Sized>(
        &self,
        mut guard: MutexGuard<'a, T>,
        mut condition: impl FnMut(&mut T) -> bool,
    ) -> MutexGuard<'a, T> {
        while condition(&mut guard) {
            guard = self.wait(guard);
        }
        guard
    }

    /// [`wait_while`](Self::wait_while) until a moment at the latest. Then says that it came, if the condition still holds.
    ///
    /// # Panics
    /// If this context may not block.
    pub fn wait_while_until<'a, T: ?Sized>(
        &self,
        mut guard: MutexGuard<'a, T>,
        deadline: Instant,
        mut condition: impl FnMut(&mut T) -> bool,
    ) -> (MutexGuard<'a, T>, Result<(), TimedOut>) {
        let mut waited = Ok(());
        while condition(&mut guard) {
            if waited.is_err() {
                return (guard, waited);
            }
            (guard, waited) = self.wait_until(guard, deadline);
        }
        (guard, Ok(()))
    }

    /// Wakes the one that has waited longest, and says whether there was one. Any context.
    pub fn notify_one(&self) -> bool {
        let mut woken = Woken::nobody();
        // The lock is free again at the end of the statement.
        self.queue.lock().grant(&mut woken);
        woken.wake() > 0
    }

    /// Wakes all that wait, and says how many. Any context; takes as long as it takes to wake them.
    pub fn notify_all(&self) -> usize {
        let mut woken = Woken::nobody();
        self.queue.lock().grant_all(&mut woken);
        woken.wake()
    }

    fn wait_within<'a, T: ?Sized, L: Limit>(
        &self,
        guard: MutexGuard<'a, T>,
        limit: L,
    ) -> (MutexGuard<'a, T>, Result<(), L::Cut>) {
        assert_may_block(|| "Condvar::wait");
        let (mutex, owner) = guard.into_mutex();
        let waited = self.sleep(limit.bounds(), || mutex.raw().unlock(owner));
        let Ok(owner) = mutex.raw().lock(Never);
        // SAFETY: just taken.
        (unsafe { mutex.taken(owner) }, waited.map_err(|why| limit.cut(why)))
    }

    #[inline(always)]
    fn sleep(&self, bounds: Bounds, release: impl FnOnce()) -> Result<(), Interrupted> {
        let queue = self.queue.lock();
        sleep_after(self, queue, (), bounds, release)
    }
}

impl Default for Condvar {
    fn default() -> Self {
        Self::new()
    }
}

impl core::fmt::Debug for Condvar {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Condvar").finish_non_exhaustive()
    }
}

// SAFETY: one lock, one queue in it, which is never replaced.
unsafe impl Waitable for Condvar {
    type State = Queue<()>;
    type Want = ();
    const KIND: &'static str = "condition variable";

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
