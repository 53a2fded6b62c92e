//! Sleeping until a moment.

use core::ptr::NonNull;
use core::time::Duration;

use super::switch::{doze, wake_in_handler};
use super::{Sleeper, Wait, assert_may_block, current};
use crate::time::Instant;
use crate::time::timer::Timer;

/// A sleeper and the timer that wakes it, on the sleeper's stack. The timer is armed by the call stack that goes on when the
/// sleeper has left: then nothing of this can be used too early.
#[repr(C, align(8))]
pub(super) struct Doze {
    /// First, so that its address is the doze's.
    timer: Timer,
    deadline_ns: u64,
    sleeper: Sleeper,
}

impl Doze {
    /// The running kthread's, until `deadline_ns` of the clock.
    pub(super) fn new(deadline_ns: u64) -> Self {
        Self { timer: Timer::new(wake_up), deadline_ns, sleeper: current() }
    }

    /// Arms the timer.
    ///
    /// # Safety
    /// Called once, when nothing uses the sleeper's stack any more.
    pub(super) unsafe fn arm(&self) {
        // SAFETY: it stays where it is until it has fired, because the sleeper does not go on before.
        unsafe { self.timer.arm(self.deadline_ns) };
    }
}

/// Sleeps for at least `duration`. Blocks.
///
/// # Panics
/// If it would block here: a lock is held, interrupts are off, or this is a handler.
pub fn sleep(duration: Duration) {
    sleep_until(Instant::now() + duration);
}

/// Sleeps until `deadline` has come; lets others run if it has. Blocks.
///
/// # Panics
/// As [`sleep`].
pub fn sleep_until(deadline: Instant) {
    assert_may_block(|| "kthread::sleep");
    doze(&Doze::new(deadline.as_nanos()), Wait { kind: "its time", object: 0 });
}

/// # Safety
/// As for a timer's function. The timer is a [`Doze`]'s.
unsafe fn wake_up(timer: NonNull<Timer>) {
    // SAFETY: the caller's word. The doze is there until its sleeper is woken.
    let sleeper = unsafe { timer.cast::<Doze>().as_ref() }.sleeper;
    wake_in_handler(sleeper);
}
