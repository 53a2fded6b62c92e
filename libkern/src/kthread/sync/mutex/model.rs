//! The mutex's races.

use super::Mutex;
use crate::kthread::hosted::Clock;
use crate::kthread::sync::testing::{MS, aborter, leak, model_bounded, now, spawn};
use crate::sync::cell::UnsafeCell;

/// What loom watches: accesses that nothing orders are reported.
struct Shared {
    mutex: Mutex<()>,
    data: UnsafeCell<usize>,
}

impl Shared {
    fn new() -> &'static Self {
        leak(Self { mutex: Mutex::new(()), data: UnsafeCell::new(0) })
    }

    fn touch(&self) {
        // SAFETY: with the lock taken; loom checks it.
        self.data.with_mut(|data| unsafe { *data += 1 });
    }

    fn enter(&self) {
        let _guard = self.mutex.lock();
        self.touch();
    }

    fn assert_touched(&self, times: usize) {
        let guard = self.mutex.try_lock();
        assert!(guard.is_some(), "nobody has the lock");
        // SAFETY: as in `touch`.
        assert_eq!(self.data.with(|data| unsafe { *data }), times);
    }
}

/// Hazard 1: two kthreads, every interleaving; one unlocks while the other goes to queue.
#[test]
fn model_two_kthreads_take_turns() {
    loom::model(|| {
        let shared = Shared::new();
        let other = spawn(move || shared.enter());
        shared.enter();
        other.join().expect("it does not panic");
        shared.assert_touched(2);
    });
}

/// With three, one is handed the lock while another queues. Three preemptions; all of them would take an hour.
#[test]
fn model_three_kthreads_take_turns() {
    model_bounded(3, || {
        let shared = Shared::new();
        let others = [(); 2].map(|()| spawn(move || shared.enter()));
        shared.enter();
        others.into_iter().for_each(|other| other.join().expect("it does not panic"));
        shared.assert_touched(3);
    });
}

/// Hazard 3: the lock is handed over while the time is up. Who got it has it, and it is not lost otherwise.
#[test]
fn model_time_and_hand_over_meet() {
    model_bounded(3, || {
        let (clock, soon) = (Clock::mine(), now() + MS);
        let shared = Shared::new();
        let other = spawn(move || shared.enter());
        let time = spawn(move || clock.advance(MS));
        let mut touched = 1;
        if let Ok(_guard) = shared.mutex.lock_until(soon) {
            shared.touch();
            touched += 1;
        }
        other.join().expect("it does not panic");
        time.join().expect("it does not panic");
        shared.assert_touched(touched);
    });
}

/// Hazard 3: the lock is handed over while the sleeper is asked to give up.
#[test]
fn model_abort_and_hand_over_meet() {
    model_bounded(3, || {
        let shared = Shared::new();
        let other = spawn(move || shared.enter());
        let abort = spawn(aborter());
        let mut touched = 1;
        if let Ok(_guard) = shared.mutex.lock_abortable() {
            shared.touch();
            touched += 1;
        }
        other.join().expect("it does not panic");
        abort.join().expect("it does not panic");
        shared.assert_touched(touched);
    });
}
