//! What is done once, on the host's threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Once, OnceLock};
use crate::kthread::hosted::Clock;
use crate::kthread::sync::testing::{MS, now, spawn, until};
use crate::kthread::sync::{Aborted, Interrupted, Semaphore, TimedOut};
use crate::sync::IrqGuard;

#[test]
fn of_many_who_come_one_does_it_and_the_others_wait() {
    static ONCE: Once = Once::new();
    static DONE: AtomicUsize = AtomicUsize::new(0);
    let kthreads = [(); 4].map(|()| {
        spawn(|| {
            ONCE.call_once(|| {
                std::thread::yield_now();
                DONE.fetch_add(1, Ordering::Relaxed);
            });
            assert_eq!(DONE.load(Ordering::Relaxed), 1);
        })
    });
    kthreads.into_iter().for_each(|kthread| kthread.join());
    assert!(ONCE.is_done());
}

#[test]
fn a_value_is_made_once_and_then_there_in_any_context() {
    static VALUE: OnceLock<String> = OnceLock::new();
    assert_eq!(VALUE.get(), None);
    assert_eq!(VALUE.get_or_init(|| "made".to_owned()), "made");
    assert_eq!(VALUE.get_or_init(|| unreachable!("there is one")), "made");
    let _off = IrqGuard::new();
    assert_eq!(VALUE.get().map(String::as_str), Some("made"));
    assert_eq!(VALUE.get_or_init(|| unreachable!("there is one")), "made");
    assert_eq!(VALUE.wait(), "made");
}

#[test]
fn a_value_that_is_set_wakes_who_waits_for_one_and_is_not_replaced() {
    let value = Arc::new(OnceLock::new());
    let sleepers = [(); 2].map(|()| {
        let value = Arc::clone(&value);
        let sleeper = spawn(move || *value.wait());
        sleeper.until_asleep();
        sleeper
    });
    assert_eq!(value.set(5), Ok(()));
    assert_eq!(value.set(6), Err(6));
    assert_eq!(sleepers.map(|sleeper| sleeper.join()), [5, 5]);
}

#[test]
fn whoever_waits_for_another_to_make_the_value_may_give_up() {
    let (value, may_go_on) = (Arc::new(OnceLock::new()), Arc::new(Semaphore::new(0)));
    let maker = spawn({
        let (value, may_go_on) = (Arc::clone(&value), Arc::clone(&may_go_on));
        move || {
            *value.get_or_init(|| {
                may_go_on.down();
                1
            })
        }
    });
    maker.until_asleep();
    assert_eq!(value.set(2), Err(2), "one is being made");
    let impatient = spawn({
        let value = Arc::clone(&value);
        move || {
            (
                value.get_or_init_timeout(|| 3, MS).copied(),
                value.get_or_init_abortable(|| 3).copied(),
                value.wait_abortable_until(now()).copied(),
            )
        }
    });
    impatient.until_asleep();
    Clock::mine().advance(MS);
    until("the timers", || Clock::mine().armed() == 0);
    impatient.abort();
    assert_eq!(impatient.join(), (Err(TimedOut), Err(Aborted), Err(Interrupted::TimedOut)));
    may_go_on.up();
    assert_eq!(maker.join(), 1);
    assert_eq!(Arc::try_unwrap(value).ok().and_then(OnceLock::into_inner), Some(1));
}

#[test]
#[should_panic(expected = "does once what it is doing already")]
fn coming_back_to_what_is_being_done_is_a_panic() {
    let value = OnceLock::new();
    value.get_or_init(|| *value.get_or_init(|| 1) + 1);
}

#[test]
#[should_panic(expected = "Once::call_once would block with interrupts off")]
fn doing_it_with_interrupts_off_is_a_panic() {
    let _off = IrqGuard::new();
    Once::new().call_once(|| ());
}
