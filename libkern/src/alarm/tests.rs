//! Alarms on the host, where the test is the clock and works their messages off.

use core::sync::atomic::{AtomicUsize, Ordering};
use core::time::Duration;
use std::sync::{Arc, Mutex};
use std::vec::Vec;

use super::post::run;
use super::*;
use crate::time::timer::TestClock;

const MS: Duration = Duration::from_millis(1);

/// What a handler noted at each call: the time, how late that was, and how many had been missed; in milliseconds.
type Log = Arc<Mutex<Vec<(u64, u64, u64)>>>;

fn noting() -> (Alarm, Log) {
    let log = Log::default();
    let noted = Arc::clone(&log);
    let alarm = Alarm::new(move |ringing| {
        let now = Instant::now().as_nanos() / 1_000_000;
        noted.lock().unwrap().push((now, ringing.late().as_millis() as u64, ringing.missed()));
    });
    (alarm, log)
}

fn of(log: &Log) -> Vec<(u64, u64, u64)> {
    log.lock().unwrap().clone()
}

/// Lets time pass by milliseconds, and works off what is sent at each.
fn pass(clock: &TestClock, ms: u32) {
    for _ in 0..ms {
        clock.advance(MS);
        run();
    }
}

#[test]
fn an_alarm_rings_once_when_its_time_has_come() {
    let clock = TestClock::new();
    let _entered = clock.enter();
    let (alarm, log) = noting();
    alarm.set_after(3 * MS);
    assert!(alarm.is_set());
    pass(&clock, 2);
    assert_eq!(of(&log), []);
    pass(&clock, 10);
    assert_eq!(of(&log), [(3, 0, 0)]);
    assert!(!alarm.is_set() && !alarm.cancel());
    alarm.set_at(Instant::now() + MS);
    pass(&clock, 1);
    assert_eq!(of(&log).len(), 2);
}

#[test]
fn a_time_that_has_passed_is_now() {
    let clock = TestClock::new();
    let _entered = clock.enter();
    pass(&clock, 5);
    let (alarm, log) = noting();
    alarm.set_at(Instant::now());
    clock.interrupt();
    run();
    assert_eq!(of(&log), [(5, 0, 0)]);
}

#[test]
fn a_periodic_alarm_does_not_drift() {
    let clock = TestClock::new();
    let _entered = clock.enter();
    let (alarm, log) = noting();
    alarm.set_every(10 * MS);
    // Its interrupt and its message are each late, by different times.
    for round in 1..=5 {
        clock.skip_to((round * 10 + round % 3) * 1_000_000);
        clock.interrupt();
        clock.skip_to((round * 10 + round % 3 + 1) * 1_000_000);
        run();
    }
    assert_eq!(of(&log), [(12, 2, 0), (23, 3, 0), (31, 1, 0), (42, 2, 0), (53, 3, 0)]);
    assert_eq!(alarm.stats().worst_lateness, 3 * MS);
}

#[test]
fn times_that_were_missed_are_counted_and_left_out() {
    let clock = TestClock::new();
    let _entered = clock.enter();
    let (alarm, log) = noting();
    alarm.set_every(10 * MS);
    // Interrupts were off.
    clock.skip_to(35 * 1_000_000);
    clock.interrupt();
    run();
    pass(&clock, 6);
    assert_eq!(of(&log), [(35, 5, 2), (40, 0, 0)]);
    // Nobody looked at messages.
    clock.advance(32 * MS);
    assert_eq!(run(), 1);
    assert_eq!(of(&log)[2..], [(73, 3, 2)]);
    assert_eq!((alarm.stats().rung, alarm.stats().missed), (5, 4));
    pass(&clock, 7);
    assert_eq!(of(&log)[3..], [(80, 0, 0)]);
}

#[test]
fn what_was_missed_is_forgotten_with_what_it_was_missed_of() {
    let clock = TestClock::new();
    let _entered = clock.enter();
    let (alarm, log) = noting();
    alarm.set_every(MS);
    // Nobody looks at messages until it is set again.
    clock.advance(5 * MS);
    alarm.set_after(MS);
    clock.advance(MS);
    run();
    assert_eq!(of(&log), [(6, 0, 0)]);
}

#[test]
fn a_periodic_alarm_from_the_past_keeps_its_beat() {
    let clock = TestClock::new();
    let _entered = clock.enter();
    let start = Instant::now();
    pass(&clock, 25);
    let (alarm, log) = noting();
    alarm.set_every_from(start + 4 * MS, 10 * MS);
    clock.interrupt();
    run();
    pass(&clock, 20);
    assert_eq!(of(&log), [(25, 1, 2), (34, 0, 0), (44, 0, 0)]);
}

#[test]
fn what_is_cancelled_does_not_ring_wherever_it_was_on_its_way() {
    let clock = TestClock::new();
    let _entered = clock.enter();
    let (alarm, log) = noting();
    for cancel in [|alarm: &Alarm| alarm.cancel(), |alarm: &Alarm| alarm.cancel_sync()] {
        // In the wheel.
        alarm.set_after(MS);
        assert!(cancel(&alarm) && !cancel(&alarm));
        pass(&clock, 2);
        // In the inbox.
        alarm.set_after(MS);
        clock.advance(MS);
        assert!(alarm.is_set() && cancel(&alarm) && !alarm.is_set());
        assert_eq!(run(), 1);
        // A periodic one, in both.
        alarm.set_every(MS);
        clock.advance(MS);
        assert!(cancel(&alarm));
        run();
        pass(&clock, 5);
        assert_eq!(of(&log), []);
    }
    assert_eq!(clock.stats().armed, 0);
}

#[test]
fn what_is_set_again_forgets_what_it_was_set_for() {
    let clock = TestClock::new();
    let _entered = clock.enter();
    let (alarm, log) = noting();
    alarm.set_after(MS);
    alarm.set_after(3 * MS);
    pass(&clock, 4);
    assert_eq!(of(&log), [(3, 0, 0)]);
    alarm.set_every(MS);
    alarm.set_after(2 * MS);
    pass(&clock, 10);
    assert_eq!(of(&log)[1..], [(6, 0, 0)]);
    // Also when it is in an inbox, which then has nothing to do.
    alarm.set_after(MS);
    clock.advance(MS);
    alarm.set_after(MS);
    assert_eq!(run(), 1);
    assert_eq!(of(&log).len(), 2);
    pass(&clock, 1);
    assert_eq!(of(&log)[2..], [(16, 0, 0)]);
}

#[test]
fn a_handler_sets_its_alarm_again_and_stops_it() {
    let clock = TestClock::new();
    let _entered = clock.enter();
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let alarm = Alarm::new(move |ringing| match counted.fetch_add(1, Ordering::Relaxed) {
        0 => ringing.set_after(2 * MS),
        1 => ringing.set_at(Instant::now()),
        _ => ringing.stop(),
    });
    alarm.set_every(5 * MS);
    clock.advance(5 * MS);
    run();
    pass(&clock, 1);
    assert_eq!(calls.load(Ordering::Relaxed), 1);
    pass(&clock, 1);
    clock.interrupt();
    run();
    pass(&clock, 20);
    assert_eq!(calls.load(Ordering::Relaxed), 3);
    assert!(!alarm.is_set());
}

#[test]
fn times_that_come_while_the_handler_runs_are_one_more_call_behind_what_else_waits() {
    let clock = TestClock::new();
    let _entered = clock.enter();
    let log = Log::default();
    let (noted, moved) = (Arc::clone(&log), clock.clone());
    let alarm = Alarm::new(move |ringing| {
        noted.lock().unwrap().push((Instant::now().as_nanos() / 1_000_000, 0, ringing.missed()));
        // It is slower than its period.
        moved.advance(35 * MS);
    });
    alarm.set_every(10 * MS);
    clock.advance(10 * MS);
    assert_eq!(run(), 1);
    assert_eq!(of(&log), [(10, 0, 0)], "one call for one message");
    assert_eq!(run(), 1);
    assert_eq!(of(&log), [(10, 0, 0), (45, 0, 2)]);
    assert!(alarm.cancel());
    assert_eq!(run(), 1);
    assert_eq!(of(&log).len(), 2);
}

#[test]
fn a_semaphore_gets_its_unit_in_the_interrupt() {
    static SHARED: Semaphore = Semaphore::new(0);
    let clock = TestClock::new();
    let _entered = clock.enter();
    let counted = Arc::new(Semaphore::new(0));
    let (one, other) = (Alarm::up(&SHARED), Alarm::up(Arc::clone(&counted)));
    one.set_after(MS);
    other.set_every(2 * MS);
    clock.advance(5 * MS);
    assert_eq!((SHARED.available(), counted.available()), (1, 2));
    assert!(other.cancel_sync());
    clock.advance(5 * MS);
    assert_eq!(counted.available(), 2);
    drop(other);
    assert_eq!(Arc::strong_count(&counted), 1);
}

#[test]
fn a_dropped_alarm_does_not_ring_and_what_its_handler_has_is_dropped() {
    let clock = TestClock::new();
    let _entered = clock.enter();
    let witness = Arc::new(());
    let alarm = |handle: Arc<Mutex<Option<Handle>>>| {
        let witness = Arc::clone(&witness);
        let alarm = Alarm::new(move |_| {
            let _ = (&witness, &handle);
            panic!("it was dropped");
        });
        alarm.set_every(MS);
        alarm
    };
    // In the wheel; in the inbox; with a handle of its own in its handler.
    drop(alarm(Arc::default()));
    assert_eq!(Arc::strong_count(&witness), 1);
    let queued = alarm(Arc::default());
    clock.advance(MS);
    drop(queued);
    assert_eq!(Arc::strong_count(&witness), 2, "the message needs it");
    run();
    assert_eq!(Arc::strong_count(&witness), 1);
    let slot = Arc::new(Mutex::new(None));
    let knows_itself = alarm(Arc::clone(&slot));
    *slot.lock().unwrap() = Some(knows_itself.handle());
    drop(knows_itself);
    drop(slot);
    assert_eq!(Arc::strong_count(&witness), 1);
    pass(&clock, 5);
    assert_eq!(clock.stats().armed, 0);
}

#[test]
fn the_handle_of_a_dropped_alarm_does_nothing() {
    let clock = TestClock::new();
    let _entered = clock.enter();
    let (alarm, log) = noting();
    let handle = alarm.handle();
    handle.set_after(MS);
    pass(&clock, 1);
    drop(alarm);
    handle.set_after(MS);
    handle.set_every(MS);
    assert!(!handle.is_set() && !handle.cancel());
    pass(&clock, 3);
    assert_eq!(of(&log).len(), 1);
}

#[test]
fn a_function_is_called_at_its_time_and_nobody_keeps_it() {
    let clock = TestClock::new();
    let _entered = clock.enter();
    let witness = Arc::new(AtomicUsize::new(0));
    let called = Arc::clone(&witness);
    after(2 * MS, move || {
        called.fetch_add(1, Ordering::Relaxed);
    });
    pass(&clock, 1);
    assert_eq!((witness.load(Ordering::Relaxed), Arc::strong_count(&witness)), (0, 2));
    pass(&clock, 1);
    assert_eq!((witness.load(Ordering::Relaxed), Arc::strong_count(&witness)), (1, 1));
}

#[test]
fn an_alarm_set_elsewhere_rings_there() {
    let (here, there) = (TestClock::new(), TestClock::new());
    let _entered = here.enter();
    let (alarm, log) = noting();
    alarm.set_after(5 * MS);
    let handle = alarm.handle();
    {
        let _entered = there.enter();
        handle.set_after(2 * MS);
        assert_eq!((here.stats().armed, there.stats().armed), (0, 1));
        pass(&there, 2);
        assert_eq!(of(&log).len(), 1);
        // And back.
        handle.set_every(MS);
    }
    alarm.set_after(MS);
    assert_eq!((here.stats().armed, there.stats().armed), (1, 0));
    pass(&here, 1);
    assert_eq!(of(&log).len(), 2);
}

#[test]
#[should_panic(expected = "cannot ring all the time")]
fn a_period_of_nothing_is_a_panic() {
    let clock = TestClock::new();
    let _entered = clock.enter();
    noting().0.set_every(Duration::ZERO);
}

#[test]
#[should_panic(expected = "with 1 spin lock(s) held, the last one `cancelling`")]
fn cancelling_synchronously_with_a_lock_held_is_a_panic_even_if_it_was_not_set() {
    let clock = TestClock::new();
    let _entered = clock.enter();
    let (alarm, _) = noting();
    let lock = crate::sync::SpinLock::new("cancelling", ());
    let _held = lock.lock();
    alarm.cancel_sync();
}
