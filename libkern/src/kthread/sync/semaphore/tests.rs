//! The semaphore on the host's threads.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use super::Semaphore;
use crate::kthread::current;
use crate::kthread::hosted::Clock;
use crate::kthread::sync::testing::{MS, now, spawn};
use crate::kthread::sync::{Aborted, Interrupted, TimedOut};
use crate::sync::{IrqGuard, SpinLock};

fn semaphore(units: usize) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(units))
}

#[test]
fn units_that_are_there_are_taken_without_sleeping() {
    static SEMAPHORE: Semaphore = Semaphore::new(2);
    SEMAPHORE.down();
    assert_eq!(SEMAPHORE.down_timeout(Duration::ZERO), Ok(()));
    assert_eq!(SEMAPHORE.available(), 0);
    assert!(!SEMAPHORE.up(), "nobody was there to be woken");
    SEMAPHORE.down();
}

#[test]
fn a_sleeper_goes_on_when_a_unit_comes_and_the_giver_knows_of_it() {
    let semaphore = semaphore(0);
    let sleeper = spawn({
        let semaphore = Arc::clone(&semaphore);
        move || semaphore.down()
    });
    sleeper.until_asleep();
    assert!(semaphore.up());
    sleeper.join();
    assert_eq!(semaphore.available(), 0);
}

#[test]
fn sleepers_are_served_in_the_order_in_which_they_came() {
    let semaphore = semaphore(0);
    let order = Arc::new(Mutex::new(Vec::new()));
    let sleepers = [0, 1, 2, 3].map(|number| {
        let (semaphore, order) = (Arc::clone(&semaphore), Arc::clone(&order));
        let sleeper = spawn(move || {
            semaphore.down();
            order.lock().unwrap().push(number);
        });
        sleeper.until_asleep();
        sleeper
    });
    for (served, sleeper) in sleepers.into_iter().enumerate() {
        assert!(semaphore.up());
        sleeper.join();
        assert_eq!(order.lock().unwrap().len(), served + 1);
    }
    assert_eq!(*order.lock().unwrap(), [0, 1, 2, 3]);
}

#[test]
fn many_units_are_taken_at_once_or_not_at_all() {
    let semaphore = semaphore(3);
    assert!(!semaphore.try_down_many(4));
    assert_eq!(semaphore.available(), 3);
    assert!(semaphore.try_down_many(2));
    assert!(!semaphore.try_down_many(2));
    assert_eq!(semaphore.available(), 1);
    assert_eq!(semaphore.down_many_timeout(2, Duration::ZERO), Err(TimedOut));
    assert_eq!(semaphore.available(), 1, "what it had of them it gave back");
    semaphore.down_many(0);
    assert!(semaphore.try_down_many(0));
}

#[test]
fn a_sleeper_for_many_is_not_overtaken_by_takers_of_few() {
    let semaphore = semaphore(2);
    let many = spawn({
        let semaphore = Arc::clone(&semaphore);
        move || semaphore.down_many(4)
    });
    many.until_asleep();
    assert!(!semaphore.try_down(), "the units that are there are kept for who came first");
    let few = spawn({
        let semaphore = Arc::clone(&semaphore);
        move || semaphore.down()
    });
    few.until_asleep();
    assert!(!semaphore.up());
    assert!(many.is_asleep() && few.is_asleep());
    assert_eq!(semaphore.up_many(5), 2);
    many.join();
    few.join();
    assert_eq!(semaphore.available(), 3);
}

#[test]
fn a_sleeper_for_many_that_gives_up_lets_those_behind_it_go() {
    let semaphore = semaphore(2);
    let many = spawn({
        let semaphore = Arc::clone(&semaphore);
        move || semaphore.down_many_timeout(4, 10 * MS)
    });
    many.until_asleep();
    let few = [1, 2].map(|units| {
        let semaphore = Arc::clone(&semaphore);
        let few = spawn(move || semaphore.down_many(units));
        few.until_asleep();
        few
    });
    assert!(!semaphore.up());
    Clock::mine().advance(10 * MS);
    assert_eq!(many.join(), Err(TimedOut));
    few.into_iter().for_each(|few| few.join());
    assert_eq!(semaphore.available(), 0);
}

#[test]
fn time_ends_a_sleep_not_before_it_is_up() {
    let semaphore = semaphore(0);
    let sleeper = spawn({
        let semaphore = Arc::clone(&semaphore);
        move || semaphore.down_timeout(10 * MS)
    });
    sleeper.until_asleep();
    Clock::mine().advance(10 * MS - Duration::from_nanos(1));
    assert!(sleeper.is_asleep());
    Clock::mine().advance(Duration::from_nanos(1));
    assert_eq!(sleeper.join(), Err(TimedOut));
    assert_eq!(Clock::mine().armed(), 0);
    assert!(!semaphore.up());
    assert_eq!(semaphore.available(), 1, "who left takes no unit");
}

#[test]
fn a_unit_in_time_disarms_the_timer() {
    let semaphore = semaphore(0);
    let sleeper = spawn({
        let semaphore = Arc::clone(&semaphore);
        move || semaphore.down_until(now() + 10 * MS)
    });
    sleeper.until_asleep();
    assert_eq!(Clock::mine().armed(), 1);
    assert!(semaphore.up());
    assert_eq!(sleeper.join(), Ok(()));
    assert_eq!(Clock::mine().armed(), 0);
}

#[test]
fn a_time_that_never_ends_needs_no_timer() {
    let semaphore = semaphore(0);
    let sleeper = spawn({
        let semaphore = Arc::clone(&semaphore);
        move || semaphore.down_timeout(Duration::MAX)
    });
    sleeper.until_asleep();
    assert_eq!(Clock::mine().armed(), 0);
    semaphore.up();
    assert_eq!(sleeper.join(), Ok(()));
}

#[test]
fn a_moment_that_is_past_is_not_waited_for() {
    let semaphore = semaphore(0);
    let start = now();
    Clock::mine().advance(MS);
    assert_eq!(semaphore.down_until(start), Err(TimedOut));
    assert_eq!(semaphore.down_abortable_until(start), Err(Interrupted::TimedOut));
    semaphore.up();
    assert_eq!(semaphore.down_until(start), Ok(()), "what is there is taken at any time");
}

#[test]
fn a_request_to_abort_ends_the_sleep_it_meets() {
    let semaphore = semaphore(0);
    let sleeper = spawn({
        let semaphore = Arc::clone(&semaphore);
        move || semaphore.down_abortable()
    });
    sleeper.until_asleep().abort();
    assert_eq!(sleeper.join(), Err(Aborted));
    assert!(!semaphore.up());
    assert_eq!(semaphore.available(), 1);
}

#[test]
fn a_request_to_abort_that_comes_before_the_sleep_is_kept_for_it_and_ends_one() {
    let semaphore = semaphore(1);
    let sleeper = spawn({
        let semaphore = Arc::clone(&semaphore);
        move || {
            current().abort_slot().request();
            current().abort_slot().request();
            let there = semaphore.down_abortable();
            (there, semaphore.down_abortable_until(now() + MS), semaphore.down_timeout(Duration::ZERO))
        }
    });
    assert_eq!(sleeper.join(), (Ok(()), Err(Interrupted::Aborted), Err(TimedOut)));
    assert_eq!(semaphore.available(), 0);
}

#[test]
fn a_sleep_that_does_not_heed_aborts_leaves_the_request_for_the_next() {
    let semaphore = semaphore(0);
    let sleeper = spawn({
        let semaphore = Arc::clone(&semaphore);
        move || {
            semaphore.down();
            semaphore.down_abortable()
        }
    });
    sleeper.until_asleep().abort();
    assert!(sleeper.is_asleep());
    semaphore.up();
    assert_eq!(sleeper.join(), Err(Aborted));
}

#[test]
fn a_sleep_with_both_limits_says_which_one_ended_it() {
    let semaphore = semaphore(0);
    let sleepers = [(); 2].map(|()| {
        let semaphore = Arc::clone(&semaphore);
        let sleeper = spawn(move || semaphore.down_abortable_until(now() + 10 * MS));
        sleeper.until_asleep();
        sleeper
    });
    sleepers[0].abort();
    Clock::mine().advance(10 * MS);
    assert_eq!(sleepers.map(|sleeper| sleeper.join()), [Err(Interrupted::Aborted), Err(Interrupted::TimedOut)]);
}

#[test]
fn units_are_given_with_locks_held_and_interrupts_off() {
    let semaphore = semaphore(0);
    let lock = SpinLock::new("held by a giver", ());
    let (_held, _off) = (lock.lock(), IrqGuard::new());
    semaphore.up();
    assert!(semaphore.try_down());
}

#[test]
#[should_panic(expected = "Semaphore::down would block with 1 spin lock(s) held")]
fn taking_units_with_a_lock_held_is_a_panic_even_if_they_are_there() {
    let semaphore = semaphore(1);
    let lock = SpinLock::new("held by a taker", ());
    let _held = lock.lock();
    semaphore.down();
}

#[test]
fn nothing_is_lost_or_made_up_among_takers_givers_and_those_who_give_up() {
    const ROUNDS: usize = 300;
    let semaphore = semaphore(0);
    let clock = Clock::mine();
    let takers = [1, 2, 3, 1].map(|units| {
        let semaphore = Arc::clone(&semaphore);
        spawn(move || {
            let taken = (0..ROUNDS).filter(|_| semaphore.down_many_timeout(units, MS).is_ok());
            units * taken.count()
        })
    });
    let givers = [1, 4].map(|units| {
        let semaphore = Arc::clone(&semaphore);
        spawn(move || {
            for _ in 0..ROUNDS {
                semaphore.up_many(units);
                std::thread::yield_now();
            }
            units * ROUNDS
        })
    });
    let given: usize = givers.into_iter().map(|giver| giver.join()).sum();
    let mut taken = 0;
    for taker in takers {
        while taker.is_running() {
            clock.advance(MS);
            std::thread::yield_now();
        }
        taken += taker.join();
    }
    assert_eq!(taken + semaphore.available(), given);
    let slow = semaphore.slow.lock();
    assert!(slow.queue.is_empty() && slow.bank == 0);
}
