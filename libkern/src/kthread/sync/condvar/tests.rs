//! Condition variables on the host's threads.

use std::sync::Arc;

use super::Condvar;
use crate::kthread::hosted::Clock;
use crate::kthread::sync::testing::{Kthread, MS, now, spawn, until};
use crate::kthread::sync::{Aborted, Interrupted, Mutex, TimedOut};
use crate::sync::{IrqGuard, SpinLock};

type Shared = Arc<(Mutex<u32>, Condvar)>;

fn shared() -> Shared {
    Arc::new((Mutex::new(0), Condvar::new()))
}

/// A kthread that takes one from the number, once there is one.
fn taker(shared: &Shared) -> Kthread<()> {
    let shared = Arc::clone(shared);
    let taker = spawn(move || {
        let mut number = shared.1.wait_while(shared.0.lock(), |number| *number == 0);
        *number -= 1;
    });
    taker.until_asleep();
    taker
}

#[test]
fn a_waiter_goes_on_when_notified_and_has_the_mutex() {
    let shared = shared();
    let taker = taker(&shared);
    *shared.0.lock() += 1;
    assert!(shared.1.notify_one());
    taker.join();
    assert_eq!(*shared.0.lock(), 0);
    assert!(!shared.1.notify_one(), "nobody waits any more");
}

#[test]
fn one_notification_is_for_who_has_waited_longest() {
    let shared = shared();
    let (first, second) = (taker(&shared), taker(&shared));
    *shared.0.lock() += 1;
    assert!(shared.1.notify_one());
    first.join();
    assert!(second.is_asleep());
    *shared.0.lock() += 1;
    assert!(shared.1.notify_one());
    second.join();
}

#[test]
fn notifying_all_wakes_all() {
    let shared = shared();
    let takers = [(); 3].map(|()| taker(&shared));
    *shared.0.lock() += 3;
    assert_eq!(shared.1.notify_all(), 3);
    takers.into_iter().for_each(|taker| taker.join());
    assert_eq!(*shared.0.lock(), 0);
}

#[test]
fn a_waiter_that_is_notified_with_the_mutex_held_goes_on_when_it_is_free() {
    let shared = shared();
    let taker = taker(&shared);
    let mut number = shared.0.lock();
    *number += 1;
    assert!(shared.1.notify_one());
    drop(number);
    taker.join();
}

#[test]
fn when_the_time_is_up_the_waiter_has_the_mutex_and_knows_why() {
    let shared = shared();
    let waiter = spawn({
        let shared = Arc::clone(&shared);
        move || {
            let (mut number, waited) = shared.1.wait_timeout(shared.0.lock(), 10 * MS);
            *number = 7;
            waited
        }
    });
    waiter.until_asleep();
    Clock::mine().advance(10 * MS);
    assert_eq!(waiter.join(), Err(TimedOut));
    assert_eq!(*shared.0.lock(), 7);
    assert!(!shared.1.notify_one(), "who gave up takes no notification");
}

#[test]
fn a_condition_that_holds_when_the_time_is_up_is_what_counts() {
    let shared = shared();
    let deadline = now() + 10 * MS;
    let waiters = [1, 2].map(|least| {
        let shared = Arc::clone(&shared);
        let waiter = spawn(move || {
            let (number, waited) = shared.1.wait_while_until(shared.0.lock(), deadline, |number| *number < least);
            (*number, waited)
        });
        waiter.until_asleep();
        waiter
    });
    *shared.0.lock() = 1;
    Clock::mine().advance(10 * MS);
    assert_eq!(waiters.map(|waiter| waiter.join()), [(1, Ok(())), (1, Err(TimedOut))]);
}

#[test]
fn a_waiter_that_is_asked_to_give_up_has_the_mutex_and_knows_why() {
    let shared = shared();
    let waiter = spawn({
        let shared = Arc::clone(&shared);
        move || {
            let (guard, first) = shared.1.wait_abortable(shared.0.lock());
            let (_guard, second) = shared.1.wait_abortable_until(guard, now() + MS);
            (first, second)
        }
    });
    waiter.until_asleep().abort();
    until("the timers", || Clock::mine().armed() != 0);
    Clock::mine().advance(MS);
    assert_eq!(waiter.join(), (Err(Aborted), Err(Interrupted::TimedOut)));
}

#[test]
fn notifying_is_for_any_context() {
    let shared = shared();
    let taker = taker(&shared);
    *shared.0.lock() += 1;
    {
        let lock = SpinLock::new("held by a notifier", ());
        let (_held, _off) = (lock.lock(), IrqGuard::new());
        shared.1.notify_all();
    }
    taker.join();
}

#[test]
#[should_panic(expected = "Condvar::wait would block with interrupts off")]
fn waiting_with_interrupts_off_is_a_panic() {
    let shared = shared();
    let guard = shared.0.lock();
    let _off = IrqGuard::new();
    let _guard = shared.1.wait(guard);
}
