//! The semaphore's races, every interleaving of them, or of three parties every one with at most three preemptions: enough
//! to put each of them into the others' way at each step, where all would take an hour.

use super::Semaphore;
use crate::kthread::hosted::Clock;
use crate::kthread::sync::testing::{MS, aborter, leak, model_bounded, now, spawn};
use crate::kthread::sync::{Aborted, Interrupted, TimedOut};
use crate::sync::cell::UnsafeCell;

fn semaphore(units: usize) -> &'static Semaphore {
    leak(Semaphore::new(units))
}

/// Nobody is on his way: everything adds up.
fn assert_settled(semaphore: &Semaphore, units: usize) {
    let slow = semaphore.slow.lock();
    assert_eq!((semaphore.available(), slow.bank, slow.queue.is_empty()), (units, 0, true));
}

/// Hazard 1: the giver comes at every point of the taker's way. What it did before is seen.
#[test]
fn model_a_unit_given_at_any_moment_is_not_missed() {
    loom::model(|| {
        let semaphore = semaphore(0);
        let data = leak(UnsafeCell::new(0));
        let giver = spawn(move || {
            // SAFETY: loom reports a race if there is one.
            data.with_mut(|data| unsafe { *data = 1 });
            semaphore.up();
        });
        semaphore.down();
        // SAFETY: as above.
        assert_eq!(data.with(|data| unsafe { *data }), 1);
        giver.join().expect("it does not panic");
        assert_settled(semaphore, 0);
    });
}

/// The semaphore excludes: two kthreads take the one unit in turn.
#[test]
fn model_who_has_the_unit_is_alone() {
    loom::model(|| {
        let semaphore = semaphore(1);
        let data = leak(UnsafeCell::new(0));
        let enter = |semaphore: &Semaphore, data: &UnsafeCell<i32>| {
            semaphore.down();
            // SAFETY: loom reports a race if there is one.
            data.with_mut(|data| unsafe { *data += 1 });
            semaphore.up();
        };
        let other = spawn(move || enter(semaphore, data));
        enter(semaphore, data);
        other.join().expect("it does not panic");
        assert_settled(semaphore, 1);
    });
}

/// Hazard 2: the time is up while the unit comes. One of the two ends the sleep, and the unit is taken or there.
#[test]
fn model_time_and_unit_meet() {
    model_bounded(3, || {
        let semaphore = semaphore(0);
        let (clock, soon) = (Clock::mine(), now() + MS);
        let giver = spawn(move || semaphore.up());
        let time = spawn(move || clock.advance(MS));
        let taken = semaphore.down_until(soon);
        let woke = giver.join().expect("it does not panic");
        time.join().expect("it does not panic");
        match taken {
            Ok(()) => assert_settled(semaphore, 0),
            Err(TimedOut) => {
                assert!(!woke, "who was woken by a unit has it");
                assert_settled(semaphore, 1);
            }
        }
    });
}

/// Hazard 2: a request to abort comes while the unit comes. If it did not end this sleep, it is kept.
#[test]
fn model_abort_and_unit_meet() {
    model_bounded(3, || {
        let semaphore = semaphore(0);
        let giver = spawn(move || semaphore.up());
        let abort = spawn(aborter());
        let taken = semaphore.down_abortable();
        giver.join().expect("it does not panic");
        abort.join().expect("it does not panic");
        let is_kept = crate::kthread::current().abort_slot().take();
        match taken {
            Ok(()) => assert_settled(semaphore, 0),
            Err(Aborted) => assert_settled(semaphore, 1),
        }
        assert_eq!(is_kept, taken.is_ok(), "a request ends one sleep");
    });
}

/// The time is up while a request to abort comes: one of them ends the sleep, and both are done with it.
#[test]
fn model_abort_and_time_meet() {
    model_bounded(3, || {
        let semaphore = semaphore(0);
        let (clock, soon) = (Clock::mine(), now() + MS);
        let time = spawn(move || clock.advance(MS));
        let abort = spawn(aborter());
        let taken = semaphore.down_abortable_until(soon);
        time.join().expect("it does not panic");
        abort.join().expect("it does not panic");
        let is_kept = crate::kthread::current().abort_slot().take();
        assert_eq!(is_kept, taken == Err(Interrupted::TimedOut));
        assert!(taken.is_err());
        assert_eq!(clock.armed(), 0);
        assert_settled(semaphore, 0);
    });
}

/// Two who want one unit and one who wants two, and three units in two portions: all are served.
#[test]
fn model_bulk_requests_share_what_comes() {
    model_bounded(3, || {
        let semaphore = semaphore(0);
        let taker = spawn(move || semaphore.down_many(2));
        let giver = spawn(move || {
            semaphore.up();
            semaphore.up_many(2);
        });
        semaphore.down();
        taker.join().expect("it does not panic");
        giver.join().expect("it does not panic");
        assert_settled(semaphore, 0);
    });
}

/// A large request at the head times out while units come for it: they go to the small one behind it, none is lost.
#[test]
fn model_what_a_leaver_had_goes_to_the_next() {
    model_bounded(3, || {
        let semaphore = semaphore(1);
        let (clock, soon) = (Clock::mine(), now() + MS);
        let large = spawn(move || semaphore.down_many_until(3, soon));
        let giver = spawn(move || {
            semaphore.up();
            clock.advance(MS);
        });
        semaphore.down_many(2);
        let left = large.join().expect("it does not panic");
        giver.join().expect("it does not panic");
        assert_eq!(left, Err(TimedOut));
        assert_settled(semaphore, 0);
    });
}
