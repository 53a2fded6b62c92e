//! Cancelling against firing, every interleaving of them.

use core::ptr::NonNull;
use std::boxed::Box;

use loom::thread;

use super::*;
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::cell::UnsafeCell;

/// A timer and what its `fire` uses, which a canceller takes away.
#[repr(C)]
struct Owned {
    timer: Timer,
    used: UnsafeCell<usize>,
    fired: AtomicUsize,
    /// How often `fire` arms the timer again, for a moment that has come.
    again: usize,
}

// SAFETY: `used` is what loom watches.
unsafe impl Sync for Owned {}

impl Owned {
    fn armed(again: usize) -> &'static Self {
        let owned: &Self = Box::leak(Box::new(Self {
            timer: Timer::new(fire),
            used: UnsafeCell::new(0),
            fired: AtomicUsize::new(0),
            again,
        }));
        // SAFETY: leaked.
        unsafe { owned.timer.arm(10) };
        owned
    }

    /// What its owner does with it once it is the owner's alone: loom reports a `fire` that still uses it.
    fn take_away(&self) {
        assert!(!self.timer.is_armed());
        // SAFETY: a model checks just that.
        self.used.with_mut(|used| unsafe { *used = 1000 });
    }
}

/// # Safety
/// As for a timer's function.
unsafe fn fire(timer: NonNull<Timer>) {
    // SAFETY: it is an `Owned`'s first field, and leaked.
    let owned = unsafe { timer.cast::<Owned>().as_ref() };
    // SAFETY: as in `take_away`.
    owned.used.with_mut(|used| unsafe { *used += 1 });
    let fired = owned.fired.fetch_add(1, Ordering::Relaxed);
    if fired < owned.again {
        // SAFETY: leaked; nobody else arms it.
        unsafe { timer.as_ref().arm(10) };
    }
    // SAFETY: as in `take_away`.
    owned.used.with_mut(|used| unsafe { *used += 1 });
}

fn model(again: usize, cancel: impl Fn(&'static Owned) + Copy + Send + Sync + 'static) {
    model_bounded(None, again, cancel);
}

fn model_bounded(
    preemptions: Option<usize>,
    again: usize,
    cancel: impl Fn(&'static Owned) + Copy + Send + Sync + 'static,
) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = preemptions;
    model.max_branches = 10_000;
    model.check(move || {
        let clock = TestClock::new();
        let _entered = clock.enter();
        let owned = Owned::armed(again);
        clock.skip_to(10);
        let core = {
            let clock = clock.clone();
            thread::spawn(move || clock.interrupt())
        };
        cancel(owned);
        core.join().expect("it does not panic");
        let stats = clock.stats();
        assert_eq!(stats.fired, owned.fired.load(Ordering::Relaxed) as u64);
        assert_eq!(stats.armed, usize::from(owned.timer.is_armed()));
        let _ = owned.timer.cancel();
    });
}

#[test]
fn model_after_a_synchronous_cancellation_fire_does_not_run() {
    model(0, |owned| {
        let _ = owned.timer.cancel_sync();
        owned.take_away();
    });
}

#[test]
fn model_after_a_synchronous_cancellation_a_fire_that_arms_its_timer_again_does_not_run() {
    model(3, |owned| {
        let _ = owned.timer.cancel_sync();
        owned.take_away();
    });
}

#[test]
fn model_a_timer_that_was_disarmed_before_it_fired_does_not_fire() {
    model(0, |owned| {
        if owned.timer.cancel() == Cancel::Disarmed {
            owned.take_away();
        }
    });
}

#[test]
fn model_two_may_cancel_synchronously_at_once() {
    // With more, the two that wait can take turns for ever while the third never runs.
    model_bounded(Some(2), 1, |owned| {
        let other = thread::spawn(|| {
            let _ = owned.timer.cancel_sync();
            assert!(!owned.timer.is_armed());
        });
        let _ = owned.timer.cancel_sync();
        assert!(!owned.timer.is_armed());
        other.join().expect("it does not panic");
        owned.take_away();
    });
}

/// What a sleeper with a timeout does: whoever of the timer and the waker comes first lets it go on, and then its timer is
/// gone with its stack.
#[test]
fn model_whom_fire_wakes_may_free_the_timer_once_it_is_cancelled() {
    model(0, |owned| {
        while owned.fired.load(Ordering::Relaxed) == 0 {
            thread::yield_now();
        }
        assert_eq!(owned.timer.cancel_sync(), Cancel::Missed);
        owned.take_away();
    });
}
