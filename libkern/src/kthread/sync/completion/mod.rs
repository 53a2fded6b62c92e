//! Waiting for something to be done, once.
//!
//! What has been completed stays so. The one who waits may have the completion on its own stack, and give its address to
//! whoever is to complete it, on another core or in an interrupt: when [`wait`](Completion::wait) returns, or
//! [`is_complete`](Completion::is_complete) says so, the other is done with it. For that the answer is read under the lock, and
//! not from a word of its own: who sees it there comes after the completer's last access, the lock's release.

use super::limit::{Bounds, Interrupted, Limit, blocking};
use super::waiter::{Queue, Waitable, Woken, sleep};
use crate::kthread::{WaitGuard, WaitLock, assert_may_block};

#[cfg(all(loom, test))]
mod model;
#[cfg(all(test, not(loom)))]
mod tests;

/// Something that is done or not, and for which any number of kthreads wait.
pub struct Completion {
    state: WaitLock<State>,
}

pub(super) struct State {
    is_complete: bool,
    queue: Queue<()>,
}

impl Completion {
    /// It is not done.
    #[cfg(not(all(loom, test)))]
    pub const fn new() -> Self {
        Self { state: WaitLock::new(State { is_complete: false, queue: Queue::new() }) }
    }

    /// It is not done.
    #[cfg(all(loom, test))]
    pub fn new() -> Self {
        Self { state: WaitLock::new(State { is_complete: false, queue: Queue::new() }) }
    }

    blocking! {
        /// Sleeps until it is done.
        fn wait, wait_timeout, wait_until, wait_abortable, wait_abortable_until() -> () = wait_within;
    }

    /// It is done. Wakes all who wait, and says how many; does nothing if it was done. Any context; takes as long as it
    /// takes to wake them.
    ///
    /// Whoever waited may free the completion even before this returns, but for what borrows it.
    pub fn complete(&self) -> usize {
        self.finish().wake()
    }

    /// As [`complete`](Self::complete), but whoever is woken goes on on `core`. Any context.
    ///
    /// # Panics
    /// If somebody is woken and there is no such core.
    pub fn complete_on(&self, core: usize) -> usize {
        self.finish().wake_on(core)
    }

    /// Whether it is done. Any context.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.state.lock().is_complete
    }

    /// Makes it not done, for the next time. Nobody waits: nobody else has a reference.
    pub fn reset(&mut self) {
        self.state.lock().is_complete = false;
    }

    fn finish(&self) -> Woken<()> {
        let mut woken = Woken::nobody();
        let mut state = self.state.lock();
        state.is_complete = true;
        state.queue.grant_all(&mut woken);
        woken
    }

    #[inline(always)]
    fn wait_within<L: Limit>(&self, limit: L) -> Result<(), L::Cut> {
        assert_may_block(|| "Completion::wait");
        self.wait_for(|| limit.bounds()).map_err(|why| limit.cut(why))
    }

    #[inline(always)]
    fn wait_for(&self, bounds: impl FnOnce() -> Bounds) -> Result<(), Interrupted> {
        let state = self.state.lock();
        if state.is_complete {
            return Ok(());
        }
        sleep(self, state, (), bounds())
    }
}

impl Default for Completion {
    fn default() -> Self {
        Self::new()
    }
}

impl core::fmt::Debug for Completion {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Completion").field("is_complete", &self.is_complete()).finish_non_exhaustive()
    }
}

// SAFETY: one lock, one queue in it, which is never replaced.
unsafe impl Waitable for Completion {
    type State = State;
    type Want = ();
    const KIND: &'static str = "completion";

    #[inline(always)]
    fn lock(&self) -> WaitGuard<'_, State> {
        self.state.lock()
    }

    #[inline(always)]
    fn queue(state: &mut State, (): ()) -> &mut Queue<()> {
        &mut state.queue
    }

    fn left(&self, _state: &mut State, (): (), _woken: &mut Woken<()>) {}
}
