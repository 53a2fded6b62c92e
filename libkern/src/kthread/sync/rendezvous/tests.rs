//! Rendezvous on the host's threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use super::Rendezvous;
use crate::kthread::hosted::Clock;
use crate::kthread::sync::testing::{Kthread, MS, now, spawn};
use crate::kthread::sync::{Aborted, Interrupted, Mutex, TimedOut};

use crate::sync::{IrqGuard, SpinLock, assert_may_block};
use crate::time::Duration;

type Shared = Arc<(AtomicU32, Rendezvous)>;

fn shared() -> Shared {
    Arc::new((AtomicU32::new(0), Rendezvous::new()))
}

/// A kthread that sleeps until the number is as large.
fn sleeper(shared: &Shared, least: u32) -> Kthread<()> {
    let shared = Arc::clone(shared);
    let sleeper = spawn(move || shared.1.sleep(|| shared.0.load(Ordering::Relaxed) >= least));
    sleeper.until_asleep();
    sleeper
}

#[test]
fn a_condition_that_holds_is_not_waited_for() {
    static RENDEZVOUS: Rendezvous = Rendezvous::new();
    RENDEZVOUS.sleep(|| true);
    assert_eq!(RENDEZVOUS.sleep_timeout(|| true, Duration::ZERO), Ok(()));
    assert_eq!(RENDEZVOUS.wake(), 0);
}

#[test]
fn each_sleeper_goes_on_when_its_own_condition_holds() {
    let shared = shared();
    let (one, two) = (sleeper(&shared, 1), sleeper(&shared, 2));
    assert_eq!(shared.1.wake(), 2);
    one.until_asleep();
    two.until_asleep();
    shared.0.store(1, Ordering::Relaxed);
    shared.1.wake();
    one.join();
    two.until_asleep();
    shared.0.store(2, Ordering::Relaxed);
    assert_eq!(shared.1.wake(), 1);
    two.join();
}

#[test]
fn time_ends_the_sleep_and_the_condition_has_the_last_word() {
    let shared = shared();
    let deadline = now() + 10 * MS;
    let sleepers = [1, 2].map(|least| {
        let shared = Arc::clone(&shared);
        let sleeper = spawn(move || shared.1.sleep_until(|| shared.0.load(Ordering::Relaxed) >= least, deadline));
        sleeper.until_asleep();
        sleeper
    });
    shared.0.store(1, Ordering::Relaxed);
    Clock::mine().advance(10 * MS);
    assert_eq!(sleepers.map(|sleeper| sleeper.join()), [Ok(()), Err(TimedOut)]);
}

#[test]
fn a_deadline_that_passes_while_the_condition_is_looked_at_ends_the_sleep_before_it_begins() {
    let shared = shared();
    let clock = Clock::mine();
    let deadline = now() + MS;
    let look = || {
        clock.advance(MS);
        false
    };
    assert_eq!(shared.1.sleep_until(look, deadline), Err(TimedOut));
}

#[test]
fn being_woken_in_vain_does_not_prolong_the_time() {
    let shared = shared();
    let sleeper = spawn({
        let shared = Arc::clone(&shared);
        move || shared.1.sleep_timeout(|| false, 10 * MS)
    });
    for _ in 0..9 {
        sleeper.until_asleep();
        Clock::mine().advance(MS);
        shared.1.wake();
    }
    sleeper.until_asleep();
    Clock::mine().advance(MS);
    assert_eq!(sleeper.join(), Err(TimedOut));
}

#[test]
fn a_request_to_give_up_ends_the_sleep() {
    let shared = shared();
    let sleeper = spawn({
        let shared = Arc::clone(&shared);
        move || (shared.1.sleep_abortable(|| false), shared.1.sleep_abortable_until(|| false, now()))
    });
    sleeper.until_asleep().abort();
    assert_eq!(sleeper.join(), (Err(Aborted), Err(Interrupted::TimedOut)));
}

#[test]
fn the_condition_may_sleep_and_take_locks() {
    static GATE: Mutex<u32> = Mutex::new(0);
    let shared = shared();
    let sleeper = spawn({
        let shared = Arc::clone(&shared);
        move || {
            shared.1.sleep(|| {
                assert_may_block("a condition");
                *GATE.lock() > 0
            });
        }
    });
    sleeper.until_asleep();
    *GATE.lock() += 1;
    shared.1.wake();
    sleeper.join();
}

#[test]
fn waking_is_for_any_context() {
    let shared = shared();
    let sleeper = sleeper(&shared, 1);
    shared.0.store(1, Ordering::Relaxed);
    {
        let lock = SpinLock::new("held by a waker", ());
        let (_held, _off) = (lock.lock(), IrqGuard::new());
        shared.1.wake();
    }
    sleeper.join();
}

#[test]
#[should_panic(expected = "Rendezvous::sleep would block with interrupts off")]
fn sleeping_with_interrupts_off_is_a_panic_even_if_the_condition_holds() {
    let looked = AtomicBool::new(false);
    let _off = IrqGuard::new();
    Rendezvous::new().sleep(|| !looked.swap(true, Ordering::Relaxed));
}
