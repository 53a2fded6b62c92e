//! The completion's races.

use super::Completion;
use crate::kthread::hosted::Clock;
use crate::kthread::sync::testing::{MS, Owned, aborter, leak, model_bounded, now, spawn};
use crate::sync::cell::UnsafeCell;

struct Shared {
    done: Completion,
    result: UnsafeCell<usize>,
}

impl Shared {
    fn new() -> &'static Self {
        leak(Self { done: Completion::new(), result: UnsafeCell::new(0) })
    }

    fn finish(&self) {
        // SAFETY: before it is done, the result is the completer's; loom checks it.
        self.result.with_mut(|result| unsafe { *result = 1 });
        self.done.complete();
    }

    fn result(&self) -> usize {
        // SAFETY: it is done; loom checks it.
        self.result.with(|result| unsafe { *result })
    }
}

/// It is completed at every point of the way of two who wait, and what was done before is seen.
#[test]
fn model_all_who_wait_see_what_was_done() {
    // Three preemptions; all of them would take an hour.
    model_bounded(3, || {
        let shared = Shared::new();
        let completer = spawn(move || shared.finish());
        let other = spawn(move || {
            shared.done.wait();
            shared.result()
        });
        shared.done.wait();
        assert_eq!(shared.result(), 1);
        completer.join().expect("it does not panic");
        assert_eq!(other.join().expect("it does not panic"), 1);
    });
}

/// The completion is on the stack of the one who waits, and goes when that goes on: the completer is done with it then.
#[test]
fn model_the_completion_may_go_when_it_is_done() {
    loom::model(|| {
        let mut done = Owned::new(Completion::new());
        let address = std::ptr::from_ref(&*done).expose_provenance();
        let completer = spawn(move || {
            // SAFETY: alive until it is complete, which is what the model checks.
            unsafe { &*std::ptr::with_exposed_provenance::<Completion>(address) }.complete();
        });
        done.wait();
        done.state.retire();
        completer.join().expect("it does not panic");
    });
}

/// The time is up, or a request to give up comes, while it is completed.
#[test]
fn model_limits_and_completion_meet() {
    model_bounded(3, || {
        let (clock, soon) = (Clock::mine(), now() + MS);
        let shared = Shared::new();
        let completer = spawn(move || shared.finish());
        let time = spawn(move || clock.advance(MS));
        if shared.done.wait_until(soon).is_ok() {
            assert_eq!(shared.result(), 1);
        }
        completer.join().expect("it does not panic");
        time.join().expect("it does not panic");
        assert_eq!(clock.armed(), 0);
    });
    model_bounded(3, || {
        let shared = Shared::new();
        let completer = spawn(move || shared.finish());
        let abort = spawn(aborter());
        if shared.done.wait_abortable().is_ok() {
            assert_eq!(shared.result(), 1);
        }
        completer.join().expect("it does not panic");
        abort.join().expect("it does not panic");
    });
}
