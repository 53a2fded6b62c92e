//! The rendezvous's races.

use super::Rendezvous;
use crate::kthread::hosted::Clock;
use crate::kthread::sync::TimedOut;
use crate::kthread::sync::testing::{MS, aborter, leak, model_bounded, now, spawn};
use crate::sync::atomic::{AtomicBool, Ordering};

type Shared = &'static (AtomicBool, Rendezvous);

fn shared() -> Shared {
    leak((AtomicBool::new(false), Rendezvous::new()))
}

/// Hazards 1 and 2: a condition that has no order of its own comes true at every point of the sleeper's way.
#[test]
fn model_no_change_is_missed() {
    loom::model(|| {
        let shared = shared();
        let changer = spawn(move || {
            shared.0.store(true, Ordering::Relaxed);
            shared.1.wake();
        });
        shared.1.sleep(|| shared.0.load(Ordering::Relaxed));
        changer.join().expect("it does not panic");
    });
}

/// A call for another condition comes first. Three preemptions; all of them would take an hour.
#[test]
fn model_a_call_in_vain_hides_none_that_is_not() {
    model_bounded(3, || {
        let shared = shared();
        let other = spawn(move || shared.1.wake());
        let changer = spawn(move || {
            shared.0.store(true, Ordering::Relaxed);
            shared.1.wake();
        });
        shared.1.sleep(|| shared.0.load(Ordering::Relaxed));
        other.join().expect("it does not panic");
        changer.join().expect("it does not panic");
    });
}

/// Hazard 3: the time is up at every point of the sleeper's way, while the condition comes true.
#[test]
fn model_time_and_change_meet() {
    model_bounded(3, || {
        let (clock, soon) = (Clock::mine(), now() + MS);
        let shared = shared();
        let changer = spawn(move || {
            shared.0.store(true, Ordering::Relaxed);
            shared.1.wake();
        });
        let time = spawn(move || clock.advance(MS));
        let slept = shared.1.sleep_until(|| shared.0.load(Ordering::Relaxed), soon);
        time.join().expect("it does not panic");
        changer.join().expect("it does not panic");
        assert!(matches!(slept, Ok(()) | Err(TimedOut)));
        assert_eq!(clock.armed(), 0);
    });
}

/// A request to give up, while the condition comes true.
#[test]
fn model_abort_and_change_meet() {
    model_bounded(3, || {
        let shared = shared();
        let changer = spawn(move || {
            shared.0.store(true, Ordering::Relaxed);
            shared.1.wake();
        });
        let abort = spawn(aborter());
        let _ = shared.1.sleep_abortable(|| shared.0.load(Ordering::Relaxed));
        changer.join().expect("it does not panic");
        abort.join().expect("it does not panic");
    });
}
