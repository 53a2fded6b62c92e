//! The completion's races.

use loom::sync::Arc;

use super::Completion;
use crate::kthread::hosted::Clock;
use crate::kthread::sync::TimedOut;
use crate::kthread::sync::testing::{MS, aborter, model_bounded, now, spawn};
use crate::sync::cell::UnsafeCell;

struct Shared {
    done: Completion,
    result: UnsafeCell<usize>,
}

// SAFETY: what the models check.
unsafe impl Sync for Shared {}

impl Shared {
    fn new() -> Arc<Self> {
        Arc::new(Self { done: Completion::new(), result: UnsafeCell::new(0) })
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
        let others = [0, 1].map(|number| {
            let shared = Arc::clone(&shared);
            spawn(move || {
                if number == 0 {
                    shared.finish();
                } else {
                    shared.done.wait();
                }
                shared.result()
            })
        });
        shared.done.wait();
        assert_eq!(shared.result(), 1);
        others.into_iter().for_each(|other| assert_eq!(other.join().expect("it does not panic"), 1));
    });
}

/// The completion is on the stack of the one who waits, and goes when that goes on: the completer is done with it then.
#[test]
fn model_the_completion_may_go_when_it_is_done() {
    /// Its state is where loom sees who uses it when.
    struct OnStack {
        done: Completion,
        memory: UnsafeCell<()>,
    }
    loom::model(|| {
        let on_stack = OnStack { done: Completion::new(), memory: UnsafeCell::new(()) };
        let address = std::ptr::from_ref(&on_stack).expose_provenance();
        let completer = spawn(move || {
            // SAFETY: alive until it is complete, which is what the model checks.
            let on_stack = unsafe { &*std::ptr::with_exposed_provenance::<OnStack>(address) };
            on_stack.memory.with(|_| ());
            on_stack.done.complete();
        });
        on_stack.done.wait();
        on_stack.memory.with_mut(|_| ());
        drop(on_stack);
        completer.join().expect("it does not panic");
    });
}

/// The time is up, or a request to give up comes, while it is completed.
#[test]
fn model_limits_and_completion_meet() {
    model_bounded(3, || {
        let (clock, soon) = (Clock::mine(), now() + MS);
        let shared = Shared::new();
        let completer = {
            let shared = Arc::clone(&shared);
            spawn(move || shared.finish())
        };
        let time = spawn(move || clock.advance(MS));
        match shared.done.wait_until(soon) {
            Ok(()) => assert_eq!(shared.result(), 1),
            Err(TimedOut) => {}
        }
        completer.join().expect("it does not panic");
        time.join().expect("it does not panic");
        assert_eq!(clock.armed(), 0);
    });
    model_bounded(3, || {
        let shared = Shared::new();
        let completer = {
            let shared = Arc::clone(&shared);
            spawn(move || shared.finish())
        };
        let abort = spawn(aborter());
        if shared.done.wait_abortable().is_ok() {
            assert_eq!(shared.result(), 1);
        }
        completer.join().expect("it does not panic");
        abort.join().expect("it does not panic");
    });
}
