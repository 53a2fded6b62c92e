//! Waiting for each other: nobody goes on before as many as agreed have come.
//!
//! The last to come finds the others in the queue and lets all of them go; then the barrier is as new, and serves the next
//! round. Whoever gives up has not come: the others wait for another in its place.

use super::limit::{Limit, blocking};
use super::waiter::{Queue, Waitable, Woken, sleep};
use crate::kthread::{WaitGuard, WaitLock, assert_may_block};

#[cfg(all(loom, test))]
mod model;
#[cfg(all(test, not(loom)))]
mod tests;

/// Where a number of kthreads meet, again and again.
pub struct Barrier {
    parties: usize,
    state: WaitLock<State>,
}

pub(super) struct State {
    /// How many have come in this round.
    arrived: usize,
    queue: Queue<()>,
}

/// In which role a kthread went on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// It came last. One of each round does.
    Last,
    /// Others came later.
    Earlier,
}

impl Barrier {
    /// For this many kthreads.
    ///
    /// # Panics
    /// If nobody is to meet.
    #[cfg(not(all(loom, test)))]
    pub const fn new(parties: usize) -> Self {
        assert!(parties > 0, "a barrier for nobody");
        Self { parties, state: WaitLock::new(State { arrived: 0, queue: Queue::new() }) }
    }

    /// For this many kthreads.
    #[cfg(all(loom, test))]
    pub fn new(parties: usize) -> Self {
        Self { parties, state: WaitLock::new(State { arrived: 0, queue: Queue::new() }) }
    }

    blocking! {
        /// Sleeps until all have come.
        fn wait, wait_timeout, wait_until, wait_abortable, wait_abortable_until() -> Arrival = wait_within;
    }

    fn wait_within<L: Limit>(&self, limit: L) -> Result<Arrival, L::Cut> {
        assert_may_block(|| "Barrier::wait");
        let mut state = self.state.lock();
        state.arrived += 1;
        if state.arrived < self.parties {
            return sleep(self, state, (), limit.bounds()).map(|()| Arrival::Earlier).map_err(|why| limit.cut(why));
        }
        state.arrived = 0;
        let mut woken = Woken::nobody();
        state.queue.grant_all(&mut woken);
        drop(state);
        woken.wake();
        Ok(Arrival::Last)
    }
}

impl core::fmt::Debug for Barrier {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Barrier").field("parties", &self.parties).finish_non_exhaustive()
    }
}

// SAFETY: one lock, one queue in it, which is never replaced.
unsafe impl Waitable for Barrier {
    type State = State;
    type Want = ();
    const KIND: &'static str = "barrier";

    #[inline(always)]
    fn lock(&self) -> WaitGuard<'_, State> {
        self.state.lock()
    }

    #[inline(always)]
    fn queue(state: &mut State, (): ()) -> &mut Queue<()> {
        &mut state.queue
    }

    fn left(&self, state: &mut State, (): (), _woken: &mut Woken<()>) {
        state.arrived -= 1;
    }
}
