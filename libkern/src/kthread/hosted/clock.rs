//! Time on the host: it stands still until a test lets it pass.
//!
//! Each test has a clock of its own. A thread that asks for the time without having been given a clock is given a new
//! one, which shows zero; [`Clock::adopt`] makes another thread's clock one's own.

#[cfg(all(loom, test))]
use loom::{sync, thread_local};
#[cfg(not(all(loom, test)))]
use std::{sync, thread_local};

use core::cell::Cell;
use core::ops::Add;
use core::ptr::NonNull;
use core::time::Duration;

use sync::Mutex;

use crate::arch;

/// A moment of the thread's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant {
    ns: u64,
}

impl Instant {
    /// This moment.
    #[must_use]
    pub fn now() -> Self {
        Self { ns: Clock::mine().state().now }
    }

    /// The moment this long after the clock's beginning.
    #[cfg(all(loom, test))]
    pub(crate) fn at(since: Duration) -> Self {
        Self { ns: u64::try_from(since.as_nanos()).expect("models are not that patient") }
    }

    /// Nanoseconds on the clock.
    #[must_use]
    pub fn as_nanos(self) -> u64 {
        self.ns
    }
}

impl Add<Duration> for Instant {
    type Output = Instant;

    fn add(self, duration: Duration) -> Instant {
        Instant { ns: self.ns.saturating_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)) }
    }
}

/// Calls a function when its clock reaches a moment.
#[derive(Debug)]
pub(crate) struct Timer {
    fire: unsafe fn(NonNull<Timer>),
}

impl Timer {
    pub(crate) const fn new(fire: unsafe fn(NonNull<Timer>)) -> Self {
        Self { fire }
    }

    /// Arms for a moment of the thread's clock.
    ///
    /// # Safety
    /// The timer stays where it is until it has fired or is cancelled.
    pub(crate) unsafe fn arm(&self, deadline_ns: u64) {
        Clock::mine().state().armed.push((deadline_ns, Armed(NonNull::from(self))));
    }

    /// Disarms, and waits for `fire` if it is being called. By the thread that armed.
    pub(crate) fn cancel_sync(&self) {
        let me = Armed(NonNull::from(self));
        loop {
            let mut state = Clock::mine().state();
            state.armed.retain(|&(_, armed)| armed != me);
            if !state.firing.contains(&me) {
                return;
            }
            drop(state);
            arch::relax();
        }
    }
}

/// The address of an armed timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Armed(NonNull<Timer>);

// SAFETY: a timer may be fired by any thread; who armed it waits for that.
unsafe impl Send for Armed {}

#[derive(Debug, Default)]
struct State {
    now: u64,
    armed: Vec<(u64, Armed)>,
    /// Of several threads, perhaps.
    firing: Vec<Armed>,
}

/// A clock with its timers. Lives for ever.
#[derive(Debug)]
pub(crate) struct Clock {
    state: Mutex<State>,
}

thread_local! {
    static MINE: Cell<&'static Clock> = Cell::new(Box::leak(Box::new(Clock { state: Mutex::new(State::default()) })));
}

impl Clock {
    /// The thread's clock.
    pub(crate) fn mine() -> &'static Clock {
        MINE.with(Cell::get)
    }

    fn state(&self) -> sync::MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics with the lock held")
    }

    /// Makes this the thread's clock.
    #[cfg(test)]
    pub(crate) fn adopt(&'static self) {
        MINE.with(|mine| mine.set(self));
    }

    /// Lets time pass, and calls what becomes due, in the order of time, on this thread.
    #[cfg(test)]
    pub(crate) fn advance(&self, by: Duration) {
        self.state().now += u64::try_from(by.as_nanos()).expect("tests are not that patient");
        self.call_due();
    }

    /// Calls what is due. A timer that was armed for a moment that is past has nobody else who would.
    pub(super) fn call_due(&self) {
        loop {
            let mut state = self.state();
            let now = state.now;
            let due = (0..state.armed.len()).filter(|&i| state.armed[i].0 <= now).min_by_key(|&i| state.armed[i].0);
            let Some(due) = due else { return };
            let (_, armed) = state.armed.remove(due);
            state.firing.push(armed);
            drop(state);
            // SAFETY: armed until just now, and `cancel_sync` waits while it is among those that fire.
            unsafe { (armed.0.as_ref().fire)(armed.0) };
            self.state().firing.retain(|&firing| firing != armed);
        }
    }

    /// How many timers are armed.
    #[cfg(test)]
    pub(crate) fn armed(&self) -> usize {
        self.state().armed.len()
    }
}
