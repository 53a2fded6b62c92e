//! Timers: a function that a core calls, in interrupt context, when a moment has come.
//!
//! What alarms, sleeps and timeouts are made of; applications use those. Each core has its own timers, in a structure that
//! finds the earliest of a million in a few instructions ([`wheel`]), and programs its one-shot interrupt for exactly
//! that deadline. A core without timers is not interrupted.
//!
//! # Synchronous and asynchronous
//!
//! [`Timer::cancel`] takes a timer back that has not begun to fire, at once and in any context; whoever finds it
//! [`Missed`](Cancel::Missed) does not know whether `fire` is still running. [`Timer::cancel_sync`] knows that it is not,
//! because it waits; so it wants a context in which another core may be waited for, and is a panic in `fire` itself.
//! (Races, alarms.)
//!
//! # Structure
//!
//! | module | what it owns |
//! |---|---|
//! | [`wheel`] | which deadline is next |
//! | [`record`] | what a timer is made of |
//! | [`timers`] | a core's timers: the protocol between arming, firing and cancelling |
//! | [`short`] | arming and cancelling where nothing is special |
//! | [`held`] | everything else there is to do with the lock held |
//! | [`serve`] | firing |
//! | [`state`] | what of these is under the lock, and the hardware |
//! | [`cancel`] | the canceller's side |
//! | [`stats`] | what is counted |
//!
//! # Costs and bounds
//!
//! Arming and cancelling take a lock of the timer's core and some dozens of instructions. Arming touches the hardware only
//! for a deadline before all others, cancelling only for the last timer. So a cancelled timer can leave one interrupt
//! behind that finds nothing due, and sets the hardware for what is.
//!
//! # The host
//!
//! There, time stands still: a `TestClock` is moved by the test, which calls what has come due as it does. Threads that
//! use timers enter the clock first, and all threads that have entered one clock are one core.

mod cancel;
mod held;
#[cfg(any(test, feature = "hosted"))]
mod hosted;
mod lock;
mod record;
mod serve;
mod short;
mod state;
mod stats;
mod timers;
mod wheel;

#[cfg(any(test, feature = "hosted"))]
pub use hosted::{Entered, TestClock};
pub use record::{Cancel, Fire, Timer};
pub use stats::TimerStats;

#[cfg(not(any(test, feature = "hosted")))]
pub(crate) use held::program;
pub(crate) use held::{Held, IsHeld, Tell};
pub(crate) use timers::{Setting, Timers, here};

use crate::arch::irq;
use crate::sync::atomic::Ordering;
use record::{FLAGS, IDLE};

impl Timer {
    /// A timer that is not armed, and whose home is the running core.
    pub(crate) fn here(fire: Fire) -> Self {
        Self::with_home(fire, timers::here().address())
    }

    /// Has `fire` called on the running core once `deadline_ns` has come, in nanoseconds of the core's clock
    /// ([`Instant::as_nanos`](super::Instant::as_nanos)). If it has passed: as soon as interrupts are on.
    ///
    /// Any context but NMI. Called by its own `fire` that somebody waits for in [`cancel_sync`](Self::cancel_sync), it does
    /// nothing: the timer is cancelled.
    ///
    /// # Safety
    /// The timer stays where it is until it is cancelled or its `fire` is called. Nobody else arms it meanwhile; nor does
    /// anybody but its own `fire` while it is being cancelled synchronously.
    ///
    /// # Panics
    /// If it is armed.
    pub unsafe fn arm(&self, deadline_ns: u64) {
        let flags = irq::save_and_disable();
        let timers = timers::here();
        // SAFETY: the caller's word; interrupts are off, so that the core stays the same, and the flags the innermost.
        unsafe {
            let setting = Setting { deadline_ns, note: 0 };
            let otherwise = |is_held| arm_slowly(timers, self, setting, is_held, flags);
            timers.arm_or(self, setting, flags, |home| home & IDLE != 0, || (), otherwise);
        }
    }

    /// Asynchronous: takes it back if it is armed. Never waits for `fire`. Any context but NMI, on any core.
    pub fn cancel(&self) -> Cancel {
        cancel::cancel(self)
    }

    /// Synchronous: takes it back if it is armed, and returns once `fire` does not run and will not. If `fire` had armed it
    /// again, that is taken back too.
    ///
    /// Waits, spinning, for one call of `fire` at most. Kthread context: interrupts on, no spin lock held.
    ///
    /// # Panics
    /// In another context; called by the timer's own `fire`.
    pub fn cancel_sync(&self) -> Cancel {
        cancel::cancel_sync(self)
    }
}

/// Arms a timer whose deadline is before all others, or that may not be armed.
///
/// # Safety
/// The caller is [`Timer::arm`], on its short way.
#[inline(never)]
unsafe fn arm_slowly(timers: &'static Timers, timer: &Timer, setting: Setting, is_held: IsHeld, flags: irq::Flags) {
    // SAFETY: the caller's word.
    let was_armed = unsafe {
        timers.with_held(is_held, flags, |mut held| {
            // Relaxed: who changes it has this lock, or must not do so now.
            let home = timer.home.load(Ordering::Relaxed);
            if home & IDLE != 0 {
                // These are this core's: there is nobody to tell.
                let _ = held.arm(timer, setting);
            }
            home & FLAGS == 0
        })
    };
    assert!(!was_armed, "a timer is armed that is armed already");
}

/// What the one-shot interrupt calls.
#[cfg(not(any(test, feature = "hosted")))]
pub(crate) fn on_interrupt() {
    timers::here().serve();
}

/// When the running core's timers are to be looked at next, in nanoseconds of its clock: not later than the earliest
/// deadline. `None` if none is armed. Any context but NMI.
#[must_use]
pub fn next_deadline() -> Option<u64> {
    timers::here().next_deadline()
}

/// What the timers of `core` have come to. Any context but NMI.
///
/// # Panics
/// If there is no such core.
#[cfg(not(any(test, feature = "hosted")))]
#[must_use]
pub fn stats(core: usize) -> TimerStats {
    timers::on(core).stats()
}

/// How many timers of `core` are armed. Any context but NMI.
///
/// # Panics
/// If there is no such core.
#[cfg(not(any(test, feature = "hosted")))]
#[must_use]
pub fn armed(core: usize) -> usize {
    stats(core).armed
}

#[cfg(all(loom, test))]
mod model;
#[cfg(all(not(loom), test))]
mod tests;
