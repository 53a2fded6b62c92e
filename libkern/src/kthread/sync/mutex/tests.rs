//! The mutex on the host's threads.

use std::sync::Arc;

use super::Mutex;
use crate::kthread::current;
use crate::kthread::hosted::Clock;
use crate::kthread::sync::testing::{MS, now, spawn};
use crate::kthread::sync::{Aborted, Interrupted, Semaphore, TimedOut};
use crate::sync::{IrqSpinLock, SpinLock};
use crate::time::Duration;

#[test]
fn increments_of_several_kthreads_are_all_counted() {
    static COUNT: Mutex<u32> = Mutex::new(0);
    let kthreads = [(); 4].map(|()| spawn(|| (0..2000).for_each(|_| *COUNT.lock() += 1)));
    kthreads.into_iter().for_each(|kthread| kthread.join());
    assert_eq!(*COUNT.lock(), 8000);
    assert!(!COUNT.is_locked());
}

#[test]
fn the_lock_goes_from_hand_to_hand_in_the_order_of_coming() {
    let mutex = Arc::new(Mutex::new(Vec::new()));
    let guard = mutex.lock();
    let kthreads = [0, 1, 2].map(|number| {
        let mutex = Arc::clone(&mutex);
        let kthread = spawn(move || mutex.lock().push(number));
        kthread.until_asleep();
        kthread
    });
    drop(guard);
    kthreads.into_iter().for_each(|kthread| kthread.join());
    assert_eq!(*mutex.lock(), [0, 1, 2]);
}

#[test]
fn a_lock_that_is_handed_over_is_not_free_in_between() {
    let (mutex, done) = (Arc::new(Mutex::new(())), Arc::new(Semaphore::new(0)));
    let guard = mutex.lock();
    let sleeper = spawn({
        let (mutex, done) = (Arc::clone(&mutex), Arc::clone(&done));
        move || {
            let _guard = mutex.lock();
            done.down();
        }
    });
    sleeper.until_asleep();
    drop(guard);
    assert!(mutex.try_lock().is_none());
    done.up();
    sleeper.join();
}

#[test]
fn a_sleeper_that_gives_up_leaves_the_lock_to_the_others() {
    let mutex = Arc::new(Mutex::new(0));
    let guard = mutex.lock();
    let impatient = spawn({
        let mutex = Arc::clone(&mutex);
        move || mutex.lock_timeout(10 * MS).map(drop)
    });
    impatient.until_asleep();
    let patient = spawn({
        let mutex = Arc::clone(&mutex);
        move || *mutex.lock() += 1
    });
    patient.until_asleep();
    Clock::mine().advance(10 * MS);
    assert_eq!(impatient.join(), Err(TimedOut));
    assert!(patient.is_asleep());
    drop(guard);
    patient.join();
    assert_eq!(*mutex.lock(), 1);
}

#[test]
fn the_lock_is_free_after_all_who_waited_gave_up() {
    let mutex = Arc::new(Mutex::new(()));
    let guard = mutex.lock();
    let sleeper = spawn({
        let mutex = Arc::clone(&mutex);
        move || mutex.lock_abortable().map(drop)
    });
    sleeper.until_asleep().abort();
    assert_eq!(sleeper.join(), Err(Aborted));
    drop(guard);
    assert!(!mutex.is_locked());
    assert!(mutex.try_lock().is_some());
}

#[test]
fn limits_are_for_the_sleep_only() {
    let mutex = Mutex::new(());
    drop(mutex.lock_timeout(Duration::ZERO).expect("it is free"));
    drop(mutex.lock_until(now()).expect("it is free"));
    current().abort_slot().request();
    drop(mutex.lock_abortable().expect("it is free"));
    drop(mutex.lock_abortable_until(now()).expect("it is free"));
    assert!(current().abort_slot().take());
}

#[test]
fn a_sleep_with_both_limits_says_which_one_ended_it() {
    let mutex = Arc::new(Mutex::new(()));
    let _guard = mutex.lock();
    let sleepers = [(); 2].map(|()| {
        let mutex = Arc::clone(&mutex);
        let sleeper = spawn(move || mutex.lock_abortable_until(now() + 10 * MS).map(drop));
        sleeper.until_asleep();
        sleeper
    });
    sleepers[1].abort();
    Clock::mine().advance(10 * MS);
    assert_eq!(sleepers.map(|sleeper| sleeper.join()), [Err(Interrupted::TimedOut), Err(Interrupted::Aborted)]);
}

#[test]
#[should_panic(expected = "locks a mutex that it has locked already")]
fn locking_it_twice_is_a_panic() {
    let mutex = Mutex::new(());
    let _first = mutex.lock();
    let _second = mutex.lock();
}

#[test]
fn the_panic_of_locking_it_twice_names_the_kthread() {
    let kthread = std::thread::Builder::new().name("forgetful".to_owned()).spawn(|| {
        let mutex = Mutex::new(());
        let _first = mutex.lock();
        let _second = mutex.lock();
    });
    let panic = kthread.expect("the thread starts").join().expect_err("it panics");
    let message = panic.downcast_ref::<String>().expect("the message is formatted");
    assert!(message.contains("`forgetful`"), "{message}");
}

#[test]
#[should_panic(expected = "Mutex::lock would block with 1 spin lock(s) held")]
fn locking_with_a_spin_lock_held_is_a_panic_even_if_it_is_free() {
    let (mutex, spin) = (Mutex::new(()), SpinLock::new("held", ()));
    let _held = spin.lock();
    let _guard = mutex.lock();
}

#[test]
fn a_lock_is_released_with_spin_locks_held_and_interrupts_off() {
    let mutex = Arc::new(Mutex::new(()));
    let guard = mutex.lock();
    let sleeper = spawn({
        let mutex = Arc::clone(&mutex);
        move || drop(mutex.lock())
    });
    sleeper.until_asleep();
    let spin = IrqSpinLock::new("held while unlocking", ());
    let held = spin.lock();
    drop(guard);
    drop(held);
    sleeper.join();
}

#[test]
fn the_value_can_be_seen_and_taken_without_locking_by_who_has_the_mutex() {
    let mut mutex = Mutex::new(vec![1]);
    mutex.get_mut().push(2);
    assert_eq!(format!("{mutex:?}"), "Mutex { value: [1, 2] }");
    let guard = mutex.lock();
    assert_eq!(format!("{mutex:?} {guard:?}"), "Mutex { value: <locked> } [1, 2]");
    drop(guard);
    assert_eq!(mutex.into_inner(), [1, 2]);
}
