//! Completions on the host's threads.

use std::sync::Arc;

use super::Completion;
use crate::kthread::hosted::Clock;
use crate::kthread::sync::testing::{MS, now, spawn, until};
use crate::kthread::sync::{Aborted, Interrupted, TimedOut};
use crate::sync::{IrqGuard, SpinLock};

#[test]
fn what_is_done_is_not_waited_for_any_more() {
    static DONE: Completion = Completion::new();
    assert!(!DONE.is_complete());
    assert_eq!(DONE.complete(), 0);
    DONE.wait();
    assert_eq!(DONE.wait_until(now()), Ok(()));
    assert!(DONE.is_complete());
    assert_eq!(DONE.complete(), 0, "once more is nothing");
}

#[test]
fn all_who_wait_go_on() {
    let done = Arc::new(Completion::new());
    let sleepers = [(); 3].map(|()| {
        let done = Arc::clone(&done);
        let sleeper = spawn(move || done.wait());
        sleeper.until_asleep();
        sleeper
    });
    assert_eq!(done.complete(), 3);
    sleepers.into_iter().for_each(|sleeper| sleeper.join());
}

#[test]
fn it_is_completed_by_interrupt_handlers_and_under_locks() {
    let done = Arc::new(Completion::new());
    let sleeper = spawn({
        let done = Arc::clone(&done);
        move || done.wait()
    });
    sleeper.until_asleep();
    {
        let lock = SpinLock::new("held by a completer", ());
        let (_held, _off) = (lock.lock(), IrqGuard::new());
        done.complete();
    }
    sleeper.join();
}

#[test]
fn limits_end_the_sleep() {
    let done = Arc::new(Completion::new());
    let sleeper = spawn({
        let done = Arc::clone(&done);
        move || (done.wait_abortable(), done.wait_timeout(MS), done.wait_abortable_until(now()))
    });
    sleeper.until_asleep().abort();
    until("the timers", || Clock::mine().armed() != 0);
    Clock::mine().advance(MS);
    assert_eq!(sleeper.join(), (Err(Aborted), Err(TimedOut), Err(Interrupted::TimedOut)));
}

#[test]
fn it_can_be_used_again_by_who_has_it_alone() {
    let mut done = Completion::new();
    done.complete();
    done.reset();
    assert!(!done.is_complete());
    assert_eq!(done.wait_until(now()), Err(TimedOut));
}

#[test]
#[should_panic(expected = "Completion::wait would block with interrupts off")]
fn waiting_with_interrupts_off_is_a_panic_even_if_it_is_done() {
    let done = Completion::new();
    done.complete();
    let _off = IrqGuard::new();
    done.wait();
}
