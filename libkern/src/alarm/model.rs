//! Cancelling, setting and dropping against ringing, every interleaving of them.

use std::sync::Arc;

use loom::thread;

use super::post::run;
use super::*;
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::time::timer::TestClock;

/// What a handler uses, in what loom can watch, and its owner takes away.
struct Used {
    cell: UnsafeCell<usize>,
    calls: AtomicUsize,
}

// SAFETY: that no two use the cell at once is what the models prove.
unsafe impl Sync for Used {}
// SAFETY: as above.
unsafe impl Send for Used {}

impl Used {
    fn new() -> Arc<Self> {
        Arc::new(Self { cell: UnsafeCell::new(0), calls: AtomicUsize::new(0) })
    }

    fn touch(&self) {
        // SAFETY: loom reports whoever else does.
        self.cell.with_mut(|cell| unsafe { *cell += 1 });
    }

    /// What a handler does. How often it has been called before.
    fn call(&self) -> usize {
        self.touch();
        let calls = self.calls.fetch_add(1, Ordering::Relaxed);
        self.touch();
        calls
    }
}

/// An alarm whose time has come, and a core that takes its interrupt and then its messages, `rounds` times, while the
/// owner, which is this thread, does `what` with it.
fn model(
    preemptions: Option<usize>,
    rounds: usize,
    handler: fn(usize, &mut Ringing<'_>),
    what: fn(Alarm, &Used, &TestClock),
) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = preemptions;
    model.max_branches = 10_000;
    model.check(move || {
        let clock = TestClock::new();
        let _entered = clock.enter();
        let used = Used::new();
        let alarm = {
            let used = Arc::clone(&used);
            Alarm::new(move |ringing| handler(used.call(), ringing))
        };
        alarm.set_at(Instant::now());
        let core = {
            let clock = clock.clone();
            thread::spawn(move || {
                for _ in 0..rounds {
                    clock.interrupt();
                    run();
                }
            })
        };
        what(alarm, &used, &clock);
        core.join().expect("it does not panic");
        // What was sent when the core had looked for the last time.
        while run() > 0 {}
        assert_eq!(clock.stats().armed, 0);
    });
}

#[test]
fn model_after_a_synchronous_cancellation_the_handler_does_not_run() {
    model(
        None,
        1,
        |_, _| {},
        |alarm, used, _| {
            let was_set = alarm.cancel_sync();
            used.touch();
            assert_eq!(used.calls.load(Ordering::Relaxed), usize::from(!was_set));
        },
    );
}

#[test]
fn model_after_a_synchronous_cancellation_a_handler_that_sets_its_alarm_again_does_not_run() {
    model(
        Some(3),
        2,
        |calls, ringing| {
            if calls < 2 {
                ringing.set_at(Instant::now());
            }
        },
        |alarm, used, _| {
            alarm.cancel_sync();
            used.touch();
            assert!(!alarm.is_set());
        },
    );
}

#[test]
fn model_a_handler_is_called_unless_its_cancellation_says_otherwise() {
    model(
        None,
        1,
        |_, _| {},
        |alarm, used, clock| {
            let was_set = alarm.cancel();
            while !was_set && used.calls.load(Ordering::Relaxed) == 0 {
                thread::yield_now();
            }
            assert_eq!(clock.stats().armed, 0);
            drop(alarm);
            assert_eq!(used.calls.load(Ordering::Relaxed), usize::from(!was_set));
        },
    );
}

#[test]
fn model_an_alarm_may_be_dropped_at_any_moment() {
    model(None, 1, |_, _| {}, |alarm, _, _| drop(alarm));
}

#[test]
fn model_an_alarm_set_again_while_it_rings_rings_for_that_too_and_not_twice_at_once() {
    model(
        Some(3),
        2,
        |_, _| {},
        |alarm, used, clock| {
            let before = used.calls.load(Ordering::Relaxed);
            alarm.set_at(Instant::now());
            // If the core has looked for the last time, this is the interrupt that it will have.
            clock.interrupt();
            while used.calls.load(Ordering::Relaxed) == before {
                run();
                thread::yield_now();
            }
            alarm.cancel_sync();
            used.touch();
        },
    );
}

/// Set for later at the moment at which its time has come, it rings for the first time or does not; and it stays set.
#[test]
fn model_an_alarm_set_for_later_as_its_time_comes_is_set_for_later() {
    model(
        None,
        1,
        |_, _| {},
        |alarm, used, clock| {
            alarm.set_after(Duration::from_secs(1));
            assert!(alarm.is_set() && clock.stats().armed == 1);
            // What had been sent for the first time has nothing to do.
            while run() > 0 {}
            let calls = used.calls.load(Ordering::Relaxed);
            assert!(alarm.is_set() && calls <= 1);
            alarm.cancel_sync();
        },
    );
}

/// Its message is taken while it is not due, and it becomes due before the message's function has returned.
#[test]
fn model_an_alarm_cancelled_and_set_again_while_its_message_is_on_its_way_has_one_message() {
    loom::model(|| {
        let clock = TestClock::new();
        let _entered = clock.enter();
        let used = Used::new();
        let alarm = {
            let used = Arc::clone(&used);
            Alarm::new(move |_| {
                used.call();
            })
        };
        alarm.set_at(Instant::now());
        clock.interrupt();
        assert!(alarm.cancel());
        let core = thread::spawn(run);
        alarm.set_at(Instant::now());
        clock.interrupt();
        core.join().expect("it does not panic");
        while run() > 0 {}
        used.touch();
        assert_eq!(used.calls.load(Ordering::Relaxed), 1);
    });
}
