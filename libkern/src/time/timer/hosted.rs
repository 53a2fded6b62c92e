//! Timers on the host, where a test is the clock.

use alloc::boxed::Box;
use core::marker::PhantomData;
use core::time::Duration;

use super::stats::TimerStats;
use super::timers::{self, Timers};
use crate::arch::clock::{self, FakeClock};
use crate::arch::{self, irq};
use crate::sync::depth::HANDLER;

/// A clock that stands still until it is moved, and the timers of a core that lives by it. Clones are the same clock.
///
/// Under loom, whose threads are one thread of the host, the model's first thread enters the clock for all.
#[derive(Clone, Debug)]
pub struct TestClock {
    clock: FakeClock,
    /// Never freed: a timer's home lives for ever.
    timers: &'static Timers,
}

/// While it lives, the thread has the clock that it entered.
#[derive(Debug)]
#[must_use = "the thread has its former clock again when this is dropped"]
pub struct Entered {
    clock_before: Option<FakeClock>,
    timers_before: Option<&'static Timers>,
    /// It speaks of the thread.
    _not_send: PhantomData<*mut ()>,
}

impl Default for TestClock {
    fn default() -> Self {
        Self::new()
    }
}

impl TestClock {
    /// A clock at zero, and a core without timers.
    #[must_use]
    pub fn new() -> Self {
        Self { clock: FakeClock::default(), timers: Box::leak(Box::new(Timers::new())) }
    }

    /// Makes it the calling thread's clock, and its timers those that the thread arms.
    pub fn enter(&self) -> Entered {
        Entered {
            clock_before: self.clock.enter(),
            timers_before: timers::choose(Some(self.timers)),
            _not_send: PhantomData,
        }
    }

    /// What it says, in nanoseconds.
    #[must_use]
    pub fn now_ns(&self) -> u64 {
        self.clock.now_ns()
    }

    /// Moves the clock on, from one deadline to the next, and fires what is due at each, on the calling thread.
    pub fn advance(&self, by: Duration) {
        self.advance_to(self.now_ns() + by.as_nanos() as u64);
    }

    /// As [`advance`](Self::advance), to a moment.
    pub fn advance_to(&self, ns: u64) {
        while let Some(next) = self.next_deadline().filter(|&next| next <= ns) {
            self.clock.advance_to(next);
            self.interrupt();
        }
        self.clock.advance_to(ns);
    }

    /// Moves the clock without firing anything: interrupts are off for a while.
    pub fn skip_to(&self, ns: u64) {
        self.clock.advance_to(ns);
    }

    /// The one-shot interrupt, on the calling thread.
    pub fn interrupt(&self) {
        let _entered = self.enter();
        let flags = irq::save_and_disable();
        arch::depth::raise::<HANDLER>();
        arch::timer::expire();
        self.timers.serve();
        arch::depth::lower::<HANDLER>();
        // SAFETY: the innermost.
        unsafe { irq::restore(flags) };
    }

    /// When it fires something, or looks whether to: not later than the earliest deadline.
    #[must_use]
    pub fn next_deadline(&self) -> Option<u64> {
        self.timers.next_deadline()
    }

    /// What its timers have come to.
    #[must_use]
    pub fn stats(&self) -> TimerStats {
        self.timers.stats()
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        clock::leave(self.clock_before.take());
        timers::choose(self.timers_before);
    }
}
