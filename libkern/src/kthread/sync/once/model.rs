//! The races of what is done once.

use super::Once;
use crate::kthread::hosted::Clock;
use crate::kthread::sync::testing::{MS, leak, model_bounded, now, spawn};
use crate::sync::cell::UnsafeCell;

struct Shared {
    once: Once,
    data: UnsafeCell<usize>,
}

impl Shared {
    fn new() -> &'static Self {
        leak(Self { once: Once::new(), data: UnsafeCell::new(0) })
    }

    fn make(&self) {
        // SAFETY: done once, before everything else; loom checks it.
        self.data.with_mut(|data| unsafe { *data += 1 });
    }

    fn get(&self) -> usize {
        // SAFETY: it is done; loom checks it.
        self.data.with(|data| unsafe { *data })
    }
}

/// Two come at the same time: one does it, the other finds it done.
#[test]
fn model_it_is_done_once_and_seen_by_all() {
    loom::model(|| {
        let shared = Shared::new();
        let other = spawn(move || {
            shared.once.call_once(|| shared.make());
            shared.get()
        });
        shared.once.call_once(|| shared.make());
        assert_eq!(shared.get(), 1);
        assert_eq!(other.join().expect("it does not panic"), 1);
    });
}

/// The time of one who waits is up while it is done. Three preemptions; all of them would take an hour.
#[test]
fn model_time_and_the_end_of_it_meet() {
    model_bounded(3, || {
        let (clock, soon) = (Clock::mine(), now() + MS);
        let shared = Shared::new();
        let maker = spawn(move || shared.once.try_call(|| shared.make()));
        let time = spawn(move || clock.advance(MS));
        if shared.once.wait_until(soon).is_ok() {
            assert_eq!(shared.get(), 1);
        }
        assert!(maker.join().expect("it does not panic"));
        time.join().expect("it does not panic");
        assert_eq!(shared.get(), 1);
    });
}
