//! The condition variable's races.

use super::Condvar;
use crate::kthread::hosted::Clock;
use crate::kthread::sync::testing::{MS, aborter, leak, model_bounded, now, spawn};
use crate::kthread::sync::{Aborted, Mutex};

type Shared = &'static (Mutex<u32>, Condvar);

fn shared() -> Shared {
    leak((Mutex::new(0), Condvar::new()))
}

fn give(shared: Shared) -> bool {
    *shared.0.lock() += 1;
    shared.1.notify_one()
}

/// A change is made and notified at every point of the waiter's way.
#[test]
fn model_no_change_is_missed() {
    loom::model(|| {
        let shared = shared();
        let giver = spawn(move || give(shared));
        let mut number = shared.1.wait_while(shared.0.lock(), |number| *number == 0);
        *number -= 1;
        drop(number);
        giver.join().expect("it does not panic");
        assert_eq!(*shared.0.lock(), 0);
    });
}

/// Two wait, one is notified of each of two changes. Three preemptions; all of them would take an hour.
#[test]
fn model_each_change_finds_a_waiter() {
    model_bounded(3, || {
        let shared = shared();
        let takers = [(); 2].map(|()| {
            spawn(move || {
                let mut number = shared.1.wait_while(shared.0.lock(), |number| *number == 0);
                *number -= 1;
            })
        });
        give(shared);
        give(shared);
        takers.into_iter().for_each(|taker| taker.join().expect("it does not panic"));
        assert_eq!(*shared.0.lock(), 0);
    });
}

/// The time of the first of two waiters is up while one is notified: somebody was, and is not one who timed out.
#[test]
fn model_a_notification_is_not_lost_on_who_gives_up() {
    model_bounded(3, || {
        let (clock, soon) = (Clock::mine(), now() + MS);
        let shared = shared();
        let giver = spawn(move || {
            let notified = give(shared);
            clock.advance(MS);
            notified
        });
        let (number, waited) = shared.1.wait_until(shared.0.lock(), soon);
        drop(number);
        let notified = giver.join().expect("it does not panic");
        assert_eq!(notified, waited.is_ok());
    });
}

/// As above, with a request to give up.
#[test]
fn model_abort_and_notification_meet() {
    model_bounded(3, || {
        let shared = shared();
        let giver = spawn(move || give(shared));
        let abort = spawn(aborter());
        let (number, waited) = shared.1.wait_abortable(shared.0.lock());
        drop(number);
        let notified = giver.join().expect("it does not panic");
        abort.join().expect("it does not panic");
        assert_eq!(waited, if notified { Ok(()) } else { Err(Aborted) });
    });
}
