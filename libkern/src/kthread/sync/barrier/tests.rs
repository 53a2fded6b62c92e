//! Barriers on the host's threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Arrival, Barrier};
use crate::kthread::hosted::Clock;
use crate::kthread::sync::testing::{MS, now, spawn, until};
use crate::kthread::sync::{Aborted, Interrupted, TimedOut};

#[test]
fn nobody_goes_on_before_all_have_come_round_after_round() {
    const ROUNDS: usize = 200;
    static BARRIER: Barrier = Barrier::new(3);
    static ARRIVED: AtomicUsize = AtomicUsize::new(0);
    let kthreads = [(); 3].map(|()| {
        spawn(|| {
            let last = |round| {
                ARRIVED.fetch_add(1, Ordering::Relaxed);
                let arrival = BARRIER.wait();
                assert!(ARRIVED.load(Ordering::Relaxed) >= 3 * (round + 1));
                arrival == Arrival::Last
            };
            (0..ROUNDS).filter(|&round| last(round)).count()
        })
    });
    let last: usize = kthreads.into_iter().map(|kthread| kthread.join()).sum();
    assert_eq!(last, ROUNDS, "one of each round comes last");
}

#[test]
fn one_alone_does_not_wait() {
    assert_eq!(Barrier::new(1).wait(), Arrival::Last);
}

#[test]
fn who_gives_up_has_not_come() {
    let barrier = Arc::new(Barrier::new(2));
    let impatient = spawn({
        let barrier = Arc::clone(&barrier);
        move || (barrier.wait_timeout(MS), barrier.wait_abortable(), barrier.wait_abortable_until(now()))
    });
    impatient.until_asleep();
    Clock::mine().advance(MS);
    until("the timers", || Clock::mine().armed() == 0);
    impatient.abort();
    assert_eq!(impatient.join(), (Err(TimedOut), Err(Aborted), Err(Interrupted::TimedOut)));
    let patient = spawn({
        let barrier = Arc::clone(&barrier);
        move || barrier.wait()
    });
    patient.until_asleep();
    assert_eq!(barrier.wait_until(now()), Ok(Arrival::Last));
    assert_eq!(patient.join(), Arrival::Earlier);
}
