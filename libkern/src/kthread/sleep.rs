//! Sleeping until a moment.

use core::ptr::NonNull;
use core::time::Duration;

use super::{Sleeper, Wait, WaitLock, assert_may_block, block, current, wake};
use crate::time::Instant;
use crate::time::timer::Timer;

/// A sleeper and the timer that wakes it, on the sleeper's stack.
#[repr(C)]
struct Sleep {
    /// First, so that its address is the sleep's.
    timer: Timer,
    sleeper: Sleeper,
    /// Held from before the timer is armed until the sleeper has left its stack.
    has_left: WaitLock<()>,
}

/// Sleeps for at least `duration`. Blocks.
///
/// # Panics
/// If it would block here: a lock is held, interrupts are off, or this is a handler.
pub fn sleep(duration: Duration) {
    sleep_until(Instant::now() + duration);
}

/// Sleeps until `deadline` has come; not at all if it has. Blocks.
///
/// # Panics
/// As [`sleep`].
pub fn sleep_until(deadline: Instant) {
    assert_may_block("kthread::sleep");
    let sleep = Sleep { timer: Timer::new(wake_up), sleeper: current(), has_left: WaitLock::new(()) };
    let guard = sleep.has_left.lock();
    // SAFETY: the timer stays where it is until it has fired, because this kthread does not go on before.
    unsafe { sleep.timer.arm(deadline.as_nanos()) };
    block(guard, Wait { kind: "its time", object: 0 });
}

/// # Safety
/// The timer is a [`Sleep`]'s.
unsafe fn wake_up(timer: NonNull<Timer>) {
    // SAFETY: the caller's word. The sleep is there until its sleeper is woken.
    let sleep = unsafe { timer.cast::<Sleep>().as_ref() };
    drop(sleep.has_left.lock());
    wake(sleep.sleeper);
}
