//! Taking back what was armed.

use super::held::IsHeld;
use super::record::{Cancel, DOOMED, FLAGS, IDLE, Timer};
use super::timers::{Timers, here};
use crate::arch::{self, irq};
use crate::sync::atomic::Ordering;
use crate::sync::{self, depth};

/// What a synchronous canceller finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Retracted {
    pub(super) was_armed: bool,
    /// It is doomed, and somebody has to wait and to take that back.
    pub(super) is_firing: bool,
}

impl Timers {
    /// Edge 5 if it is armed, and the beginning of edge 6 if it is being fired. `None` if these are not its home any more.
    pub(super) fn retract(&'static self, timer: &Timer) -> Option<Retracted> {
        self.with(|mut held| {
            if !held.is_home(timer) {
                return None;
            }
            let was_armed = held.is_armed(timer);
            if was_armed {
                // SAFETY: as just seen.
                unsafe { held.disarm(timer) };
            }
            let is_firing = held.is_firing(timer);
            if is_firing {
                held.doom(timer);
            }
            Some(Retracted { was_armed, is_firing })
        })
    }

    /// The second half of edge 6: `fire` has returned, so the timer may be armed again.
    pub(super) fn pardon(&'static self, timer: &Timer) {
        self.with(|_| {
            // Relaxed, both: whoever else has doomed it has this lock, as had who armed it since, if that was here.
            if timer.home.load(Ordering::Relaxed) == self.address() | DOOMED {
                timer.home.store(self.address() | IDLE, Ordering::Relaxed);
            }
        });
    }
}

/// Takes the timer out if it is armed.
#[inline(always)]
pub(super) fn cancel(timer: &Timer) -> Cancel {
    // Relaxed: leads to a lock, or is an answer that promises nothing about `fire`.
    let home = timer.home.load(Ordering::Relaxed);
    if home & FLAGS != 0 {
        return Cancel::Missed;
    }
    // SAFETY: it is the timer's, and has no flag.
    let timers = unsafe { Timers::at(home) };
    let flags = irq::save_and_disable();
    // SAFETY: interrupts are off, and the flags the innermost.
    unsafe {
        timers.disarm_or(
            timer,
            None,
            flags,
            || Cancel::Disarmed,
            |is_held| cancel_slowly(timers, timer, is_held, flags),
        )
    }
}

#[cold]
#[inline(never)]
fn cancel_slowly(timers: &'static Timers, timer: &Timer, is_held: IsHeld, flags: irq::Flags) -> Cancel {
    // SAFETY: the caller is `cancel`, on its short way.
    let is_home = unsafe {
        timers.with_held(is_held, flags, |mut held| {
            let is_home = held.is_armed(timer);
            if is_home {
                held.disarm(timer);
            }
            is_home
        })
    };
    // If not, it has fired, was cancelled by another, and may have been armed since.
    if is_home { Cancel::Disarmed } else { cancel(timer) }
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
            timers.pardon(timer);
        }
        return if found.was_armed { Cancel::Disarmed } else { Cancel::Missed };
    }
}

#[cold]
fn refuse(timer: &Timer) {
    assert!(
        !here().is_firing(timer),
        "a timer's own `fire` cancels it synchronously, and would wait for itself for ever"
    );
    sync::assert_may_block("the synchronous cancellation of a timer");
}
