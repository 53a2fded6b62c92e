//! Taking back what was armed.

use super::record::{ARMED, Cancel, DOOMED, Timer};
use super::timers::{Timers, here};
use crate::arch;
use crate::sync::atomic::Ordering;
use crate::sync::{self, depth};

/// Takes the timer out if it is armed.
#[inline(always)]
pub(super) fn cancel(timer: &Timer) -> Cancel {
    loop {
        // Relaxed: leads to a lock, or is an answer that promises nothing about `fire`.
        let home = timer.home.load(Ordering::Relaxed);
        let Some(timers) = Timers::of(home).filter(|_| home & ARMED != 0) else { return Cancel::Missed };
        if timers.take_out(timer, home) {
            return Cancel::Disarmed;
        }
    }
}

/// Takes the timer out if it is armed, and waits until it is not being fired.
pub(super) fn cancel_sync(timer: &Timer) -> Cancel {
    // Loom's threads are no cores.
    if cfg!(not(all(loom, test))) && !depth::may_block() {
        refuse(timer);
    }
    loop {
        // Relaxed: leads to a lock.
        let Some(timers) = Timers::of(timer.home.load(Ordering::Relaxed)) else { return Cancel::Missed };
        let Some(found) = timers.retract(timer) else { continue };
        if found.is_firing {
            while timers.is_firing(timer) {
                arch::relax();
            }
            // Relaxed: `fire` is over, and nobody else may arm it now.
            timer.home.fetch_and(!DOOMED, Ordering::Relaxed);
        }
        return if found.was_armed { Cancel::Disarmed } else { Cancel::Missed };
    }
}

#[cold]
fn refuse(timer: &Timer) -> ! {
    assert!(
        !here().is_firing(timer),
        "a timer's own `fire` cancels it synchronously, and would wait for itself for ever"
    );
    sync::assert_may_block("the synchronous cancellation of a timer");
    unreachable!("it was asked because it may not");
}
