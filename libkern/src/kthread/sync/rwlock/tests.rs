//! The reader-writer lock on the host's threads.

use std::sync::Arc;

use super::RwLock;
use crate::kthread::hosted::Clock;
use crate::kthread::sync::testing::{MS, now, spawn, until};
use crate::kthread::sync::{Aborted, Interrupted, TimedOut};
use crate::sync::SpinLock;
use crate::time::Duration;

#[test]
fn many_read_and_one_writes() {
    static LOCK: RwLock<u32> = RwLock::new(5);
    let (first, second) = (LOCK.read(), LOCK.read());
    assert_eq!((*first, *second), (5, 5));
    assert!(LOCK.try_write().is_none());
    drop((first, second));
    *LOCK.write() += 1;
    let writing = LOCK.write();
    assert!(LOCK.try_read().is_none() && LOCK.try_write().is_none());
    assert_eq!(*writing, 6);
}

#[test]
fn increments_of_several_writers_are_all_counted_and_readers_see_whole_states() {
    static PAIR: RwLock<(u32, u32)> = RwLock::new((0, 0));
    let writers = [(); 2].map(|()| {
        spawn(|| {
            for _ in 0..1000 {
                let mut pair = PAIR.write();
                pair.0 += 1;
                pair.1 += 1;
            }
        })
    });
    let readers = [(); 2].map(|()| {
        spawn(|| {
            for _ in 0..1000 {
                let pair = PAIR.read();
                assert_eq!(pair.0, pair.1);
            }
        })
    });
    writers.into_iter().chain(readers).for_each(|kthread| kthread.join());
    assert_eq!(*PAIR.read(), (2000, 2000));
}

#[test]
fn who_comes_first_goes_first_be_it_to_read_or_to_write() {
    let lock = Arc::new(RwLock::new(Vec::new()));
    let reading = lock.read();
    let writer = |number| {
        let lock = Arc::clone(&lock);
        let writer = spawn(move || lock.write().push(number));
        writer.until_asleep();
        writer
    };
    let first = writer(1);
    assert!(lock.try_read().is_none(), "a writer waits");
    let readers = [(); 2].map(|()| {
        let lock = Arc::clone(&lock);
        let reader = spawn(move || lock.read().clone());
        reader.until_asleep();
        reader
    });
    let last = writer(2);
    drop(reading);
    first.join();
    assert_eq!(readers.map(|reader| reader.join()), [[1], [1]]);
    last.join();
    assert_eq!(*lock.read(), [1, 2]);
}

#[test]
fn readers_behind_a_writer_that_gives_up_go_in_at_once() {
    let lock = Arc::new(RwLock::new(3));
    let reading = lock.read();
    let writer = spawn({
        let lock = Arc::clone(&lock);
        move || lock.write_timeout(10 * MS).map(drop)
    });
    writer.until_asleep();
    let reader = spawn({
        let lock = Arc::clone(&lock);
        move || *lock.read()
    });
    reader.until_asleep();
    Clock::mine().advance(10 * MS);
    assert_eq!(writer.join(), Err(TimedOut));
    assert_eq!(reader.join(), 3);
    drop(reading);
    assert!(lock.try_write().is_some(), "nobody is left");
}

#[test]
fn limits_end_sleeps_for_reading_and_for_writing() {
    let lock = Arc::new(RwLock::new(()));
    let _writing = lock.write();
    let sleepers = [true, false].map(|reads| {
        let lock = Arc::clone(&lock);
        let sleeper = spawn(move || {
            let deadline = now() + MS;
            if reads {
                (lock.read_abortable().map(drop), lock.read_abortable_until(deadline).map(drop))
            } else {
                (lock.write_abortable().map(drop), lock.write_abortable_until(deadline).map(drop))
            }
        });
        sleeper.until_asleep().abort();
        sleeper
    });
    until("the timers", || Clock::mine().armed() >= 2);
    Clock::mine().advance(MS);
    assert_eq!(sleepers.map(|sleeper| sleeper.join()), [(Err(Aborted), Err(Interrupted::TimedOut)); 2]);
    assert!(lock.read_timeout(Duration::ZERO).is_err() && lock.write_until(now()).is_err());
}

#[test]
#[should_panic(expected = "RwLock::read would block with 1 spin lock(s) held")]
fn reading_with_a_spin_lock_held_is_a_panic_even_if_it_is_free() {
    let (lock, spin) = (RwLock::new(()), SpinLock::new("held", ()));
    let _held = spin.lock();
    let _guard = lock.read();
}

#[test]
fn the_value_can_be_seen_and_taken_without_locking_by_who_has_the_lock() {
    let mut lock = RwLock::new(1);
    *lock.get_mut() += 1;
    assert_eq!(format!("{lock:?} {:?}", lock.read()), "RwLock { value: 2 } 2");
    assert_eq!(format!("{:?}", lock.write()), "2");
    assert_eq!(lock.into_inner(), 2);
}
