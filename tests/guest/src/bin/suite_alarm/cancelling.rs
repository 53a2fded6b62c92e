//! Cancelling timers, from here and from other cores, at every moment of theirs.

use core::hint::black_box;

use guest_tests::{Scatter, dawdle, spin_for, spin_until};
use libkern::kthread;
use libkern::testing::{Skipped, metric, skip};
use libkern::time::timer::Cancel;

use crate::other;
use crate::shot::Shot;

#[libkern::test]
fn what_is_cancelled_does_not_fire_and_what_has_fired_is_not_cancelled() {
    let shot = Shot::new();
    // SAFETY: it is cancelled, or has fired, before the end.
    unsafe { shot.arm_in(20_000_000) };
    assert_eq!(shot.timer().cancel(), Cancel::Disarmed);
    assert_eq!(shot.timer().cancel(), Cancel::Missed);
    spin_for(40_000_000);
    assert_eq!(shot.fired(), 0);
    // SAFETY: as above.
    unsafe { shot.arm_in(0) };
    shot.wait_for(1);
    assert_eq!((shot.timer().cancel(), shot.timer().cancel_sync()), (Cancel::Missed, Cancel::Missed));
}

/// Arms a timer on `core` and cancels it from here about when it fires, again and again. How many were cancelled in time, how
/// many were not, and how many of these were still firing.
fn race(core: usize, rounds: u64, slow: u64, cancel: fn(&Shot) -> Cancel) -> (u64, u64) {
    let shot = Shot::with(slow, 0);
    let mut scatter = Scatter::new(rounds + slow);
    let (mut disarmed, mut missed) = (0, 0);
    // How long to wait before cancelling: longer after a success, shorter after a failure.
    let mut steps = 100;
    for _ in 0..rounds {
        let before = shot.fired();
        kthread::call(core, || {
            // SAFETY: it is cancelled, or waited for, below.
            unsafe { shot.arm_in(30_000 + black_box(0)) };
        });
        dawdle(steps + scatter.below(64));
        match cancel(&shot) {
            Cancel::Disarmed => {
                assert_eq!(shot.fired(), before, "disarmed, and fired");
                disarmed += 1;
                steps += 32;
            }
            Cancel::Missed => {
                shot.wait_for(before + 1);
                missed += 1;
                steps = steps.saturating_sub(32);
            }
        }
    }
    assert_eq!(shot.fired() as u64, missed);
    (disarmed, missed)
}

fn cancel(shot: &Shot) -> Cancel {
    shot.timer().cancel()
}

/// As [`cancel`], but when this returns the timer does not fire any more.
fn cancel_sync(shot: &Shot) -> Cancel {
    let outcome = shot.timer().cancel_sync();
    assert!(!shot.is_firing(), "it was waited for");
    outcome
}

#[libkern::test]
fn a_timer_is_either_cancelled_from_another_core_or_fires() -> Result<(), Skipped> {
    if other() == 0 {
        return skip("there is one core");
    }
    for cancel in [cancel, cancel_sync] {
        let (disarmed, missed) = race(other(), 300, 200, cancel);
        metric("disarmed", disarmed, "count");
        metric("missed", missed, "count");
    }
    Ok(())
}

#[libkern::test(long)]
fn timers_are_cancelled_at_every_moment_of_their_firing() -> Result<(), Skipped> {
    if other() == 0 {
        return skip("there is one core");
    }
    for (round, cancel) in [cancel, cancel_sync].into_iter().enumerate() {
        for slow in [0, 50, 2_000] {
            let (disarmed, missed) = race(other(), 5_000, slow, cancel);
            assert!(disarmed > 100 && missed > 100, "{round}, {slow}: {disarmed} in time, {missed} not");
        }
    }
    Ok(())
}

#[libkern::test]
fn a_timer_that_always_arms_itself_again_is_stopped_by_one_synchronous_cancellation() {
    for core in [0, other()] {
        for _ in 0..30 {
            let shot = Shot::with(20, 10_000);
            kthread::call(core, || {
                // SAFETY: it is cancelled, and waited for, before it goes.
                unsafe { shot.arm_in(10_000) };
            });
            spin_until("the third time", || shot.fired() >= 3);
            let _ = shot.timer().cancel_sync();
            let fired = shot.fired();
            assert!(!shot.is_firing() && !shot.timer().is_armed());
            spin_for(100_000);
            assert_eq!(shot.fired(), fired);
        }
    }
}

#[libkern::test]
fn many_timers_of_all_cores_are_cancelled_by_all_cores() {
    const TIMERS: usize = 64;
    let shots: [Shot; TIMERS] = [const { Shot::new() }; TIMERS];
    let cores = libkern::cpu::count().min(8);
    for round in 0..20 {
        // Each core arms its part; then each cancels another's.
        kthread::call_all(|core| {
            let mut scatter = Scatter::new(round * 1000 + core as u64);
            if core < cores {
                for shot in shots.iter().skip(core).step_by(cores) {
                    // SAFETY: they are waited for, or cancelled, in the next step.
                    unsafe { shot.arm_in(scatter.below(2_000_000)) };
                }
            }
        });
        kthread::call_all(|core| {
            if core < cores {
                for shot in shots.iter().skip((core + 1) % cores).step_by(cores) {
                    let _ = shot.timer().cancel_sync();
                    assert!(!shot.is_firing() && !shot.timer().is_armed());
                }
            }
        });
    }
    let fired: usize = shots.iter().map(Shot::fired).sum();
    metric("fired", fired, "count");
    metric("cancelled", 20 * TIMERS - fired, "count");
}
