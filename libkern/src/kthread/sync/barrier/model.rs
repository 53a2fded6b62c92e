//! The barrier's races.

use super::{Arrival, Barrier};
use crate::kthread::hosted::Clock;
use crate::kthread::sync::testing::{MS, leak, model_bounded, now, spawn};
use crate::sync::cell::UnsafeCell;

/// Two rounds of two: what one did before the barrier is what the other finds behind it.
#[test]
fn model_both_sides_see_what_was_done_before() {
    struct Shared {
        barrier: Barrier,
        data: [UnsafeCell<usize>; 2],
    }
    fn run(shared: &Shared, me: usize) -> usize {
        let mut last = 0;
        for round in 1..=2 {
            // SAFETY: each party's own, until it has come; loom checks it.
            shared.data[me].with_mut(|data| unsafe { *data = round });
            last += usize::from(shared.barrier.wait() == Arrival::Last);
            // SAFETY: both have come, and change nothing before both have come again; loom checks it.
            assert_eq!(shared.data[1 - me].with(|data| unsafe { *data }), round);
            last += usize::from(shared.barrier.wait() == Arrival::Last);
        }
        last
    }

    // Three preemptions; all of them would take an hour.
    model_bounded(3, || {
        let shared = leak(Shared { barrier: Barrier::new(2), data: [(); 2].map(|()| UnsafeCell::new(0)) });
        let other = spawn(move || run(shared, 1));
        let last = run(shared, 0) + other.join().expect("it does not panic");
        assert_eq!(last, 4);
    });
}

/// The time is up while the other comes: either both have met, or neither.
#[test]
fn model_time_and_arrival_meet() {
    model_bounded(3, || {
        let (clock, soon) = (Clock::mine(), now() + MS);
        let barrier = leak(Barrier::new(2));
        let other = spawn(move || barrier.wait_until(soon));
        let time = spawn(move || clock.advance(MS));
        let mine = barrier.wait_until(soon);
        let other = other.join().expect("it does not panic");
        time.join().expect("it does not panic");
        assert_eq!(mine.is_ok(), other.is_ok());
        assert_eq!(barrier.state.lock().arrived, 0);
    });
}
