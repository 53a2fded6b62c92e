//! The clocks of tests: each test has one, which its kthreads share, and which stands still until the test moves it.

#[cfg(all(loom, test))]
use loom::{sync::Mutex, thread_local};
#[cfg(not(all(loom, test)))]
use std::{sync::Mutex, thread_local};

use core::cell::Cell;

use crate::time::Duration;
use crate::time::timer::TestClock;

/// A clock. Lives for ever.
#[derive(Debug)]
pub(crate) struct Clock {
    clock: TestClock,
    /// Threads with one clock are one core, and a core takes one interrupt at a time.
    interrupt: Mutex<()>,
}

thread_local! {
    #[allow(clippy::missing_const_for_thread_local, reason = "loom's macro knows no constants")]
    static MINE: Cell<Option<&'static Clock>> = Cell::new(None);
}

impl Clock {
    /// The thread's clock: what it adopted, or a new one that shows zero.
    pub(crate) fn mine() -> &'static Clock {
        MINE.with(Cell::get).unwrap_or_else(|| {
            let clock: &Clock = Box::leak(Box::new(Clock { clock: TestClock::new(), interrupt: Mutex::new(()) }));
            clock.adopt();
            clock
        })
    }

    /// Makes this the thread's clock, until it ends.
    pub(crate) fn adopt(&'static self) {
        core::mem::forget(self.clock.enter());
        MINE.with(|mine| mine.set(Some(self)));
    }

    /// Lets time pass, and fires what becomes due, on this thread.
    pub(crate) fn advance(&self, by: Duration) {
        let _turn = self.interrupt.lock().expect("nothing that fires panics");
        self.clock.advance(by);
    }

    /// How many timers are armed.
    pub(crate) fn armed(&self) -> usize {
        self.clock.stats().armed
    }
}

/// Takes the interrupt of a timer that the thread has armed for a moment that was past already: nobody else would.
pub(super) fn interrupt_if_due() {
    if let Some(clock) = MINE.with(Cell::get) {
        clock.advance(Duration::ZERO);
    }
}
