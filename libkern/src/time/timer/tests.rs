//! Timers and a core, by a clock that the tests move.

use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering};
use core::time::Duration;
use std::vec::Vec;

use super::serve::FIRED;
use super::*;
use crate::arch::{self, clock, irq};

/// A timer that notes when it fired.
#[repr(C)]
struct Noting {
    timer: Timer,
    fired: AtomicUsize,
    at_ns: AtomicU64,
    /// Arms itself for this long after each firing, unless it is 0.
    period_ns: u64,
}

impl Noting {
    fn new(period_ns: u64) -> Self {
        Self { timer: Timer::new(note), fired: AtomicUsize::new(0), at_ns: AtomicU64::new(0), period_ns }
    }

    fn arm(&self, deadline_ns: u64) {
        // SAFETY: tests keep it where it is, and cancel it before they drop it.
        unsafe { self.timer.arm(deadline_ns) };
    }

    fn fired(&self) -> usize {
        self.fired.load(Ordering::Relaxed)
    }
}

impl Drop for Noting {
    fn drop(&mut self) {
        let _ = self.timer.cancel();
    }
}

/// # Safety
/// As for a timer's function.
unsafe fn note(timer: NonNull<Timer>) {
    // SAFETY: it is a `Noting`'s first field, which the test keeps.
    let noting = unsafe { timer.cast::<Noting>().as_ref() };
    assert!(!irq::enabled());
    noting.at_ns.store(clock::now_ns(), Ordering::Relaxed);
    noting.fired.fetch_add(1, Ordering::Relaxed);
    if noting.period_ns > 0 {
        noting.arm(clock::now_ns() + noting.period_ns);
    }
}

#[test]
fn a_timer_fires_once_at_its_deadline() {
    let clock = TestClock::new();
    let _entered = clock.enter();
    let timer = Noting::new(0);
    timer.arm(1000);
    assert!(timer.timer.is_armed());
    clock.advance(Duration::from_nanos(999));
    assert_eq!(timer.fired(), 0);
    clock.advance(Duration::from_secs(1));
    assert_eq!((timer.fired(), timer.at_ns.load(Ordering::Relaxed)), (1, 1000));
    assert_eq!(timer.timer.cancel(), Cancel::Missed);
    assert_eq!(timer.timer.cancel_sync(), Cancel::Missed);
}

#[test]
fn a_deadline_that_has_passed_is_now() {
    let clock = TestClock::new();
    let _entered = clock.enter();
    clock.skip_to(5_000);
    let timer = Noting::new(0);
    timer.arm(10);
    assert_eq!(arch::timer::armed_for(), Some(5_000));
    clock.interrupt();
    assert_eq!(timer.fired(), 1);
    assert_eq!(clock.stats().late_max_ns, 0, "what is late is counted from when it was asked for");
}

#[test]
fn a_timer_that_was_cancelled_does_not_fire_and_can_be_armed_again() {
    let clock = TestClock::new();
    let _entered = clock.enter();
    let timer = Noting::new(0);
    for cancel in [Timer::cancel, Timer::cancel_sync] {
        timer.arm(clock.now_ns() + 100);
        assert_eq!(cancel(&timer.timer), Cancel::Disarmed);
        assert_eq!(cancel(&timer.timer), Cancel::Missed);
        clock.advance(Duration::from_nanos(200));
        assert_eq!(timer.fired(), 0);
    }
    timer.arm(clock.now_ns() + 100);
    clock.advance(Duration::from_nanos(100));
    assert_eq!(timer.fired(), 1);
}

#[test]
fn a_fire_may_arm_its_timer_again() {
    let clock = TestClock::new();
    let _entered = clock.enter();
    let timer = Noting::new(50);
    timer.arm(50);
    clock.advance(Duration::from_nanos(1000));
    assert_eq!(timer.fired(), 20);
    assert_eq!(timer.timer.cancel_sync(), Cancel::Disarmed);
}

#[test]
fn the_hardware_is_armed_for_the_earliest_deadline_and_for_nothing_when_there_is_none() {
    let clock = TestClock::new();
    let _entered = clock.enter();
    let timers: Vec<_> = (0..4).map(|_| Noting::new(0)).collect();
    timers[0].arm(1000);
    assert_eq!((arch::timer::armed_for(), arch::timer::accesses()), (Some(1000), 1));
    timers[1].arm(2000);
    assert_eq!(arch::timer::accesses(), 1, "a later one does not touch it");
    timers[2].arm(500);
    assert_eq!((arch::timer::armed_for(), arch::timer::accesses()), (Some(500), 2));
    assert_eq!(timers[2].timer.cancel(), Cancel::Disarmed);
    assert_eq!(arch::timer::accesses(), 2, "nor does a cancellation that leaves others");
    clock.skip_to(500);
    clock.interrupt();
    assert_eq!(arch::timer::armed_for(), Some(1000));
    assert_eq!(timers[0].timer.cancel(), Cancel::Disarmed);
    assert_eq!(timers[1].timer.cancel(), Cancel::Disarmed);
    assert_eq!(arch::timer::armed_for(), None);
    timers[3].arm(3000);
    clock.skip_to(3000);
    let before = arch::timer::accesses();
    clock.interrupt();
    assert_eq!(arch::timer::accesses(), before, "a shot that is spent need not be disarmed");
}

#[test]
fn an_interrupt_that_finds_nothing_due_disarms_what_is_armed_for_nobody() {
    let clock = TestClock::new();
    let _entered = clock.enter();
    let timer = Noting::new(0);
    timer.arm(1000);
    let other = {
        let clock = clock.clone();
        std::thread::spawn(move || {
            // Another core: it has timers of its own.
            let _entered = TestClock::new().enter();
            drop(clock);
        })
    };
    other.join().expect("the thread ends well");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let _entered = TestClock::new().enter();
            assert_eq!(timer.timer.cancel(), Cancel::Disarmed);
        });
    });
    assert_eq!(arch::timer::armed_for(), Some(1000), "another core does not reach this one's hardware");
    clock.skip_to(1000);
    clock.interrupt();
    assert_eq!((timer.fired(), clock.stats().interrupts), (0, 1));
}

#[test]
fn lateness_is_measured() {
    let clock = TestClock::new();
    let _entered = clock.enter();
    let timers: Vec<_> = (0..3).map(|_| Noting::new(0)).collect();
    for (timer, deadline) in timers.iter().zip([100, 200, 400]) {
        timer.arm(deadline);
    }
    clock.skip_to(250);
    clock.interrupt();
    clock.advance_to(400);
    let stats = clock.stats();
    assert_eq!((stats.armed, stats.fired, stats.late_max_ns, stats.late_sum_ns), (0, 3, 150, 200));
}

#[test]
fn a_backlog_is_fired_in_parts_and_others_have_the_core_in_between() {
    let clock = TestClock::new();
    let _entered = clock.enter();
    let timers: Vec<_> = (0..10 * FIRED).map(|_| Noting::new(0)).collect();
    timers.iter().for_each(|timer| timer.arm(100));
    clock.skip_to(100);
    let fired = || timers.iter().map(Noting::fired).sum::<usize>();
    while fired() < timers.len() {
        let before = fired();
        clock.interrupt();
        assert!(fired() - before <= FIRED);
        assert_eq!(arch::timer::armed_for().is_some(), fired() < timers.len());
    }
    // As many to fire them, and as many to move them to the wheel's lowest level, are enough.
    assert!(clock.stats().interrupts <= 2 * 10 + 1);
}

#[test]
#[should_panic(expected = "armed already")]
fn arming_twice_is_a_panic() {
    let clock = TestClock::new();
    let _entered = clock.enter();
    let timer = core::mem::ManuallyDrop::new(Noting::new(0));
    timer.arm(1);
    timer.arm(2);
}

#[test]
#[should_panic(expected = "dropped while it is armed")]
fn dropping_an_armed_timer_is_a_panic() {
    let clock = TestClock::new();
    let _entered = clock.enter();
    let timer = std::boxed::Box::leak(std::boxed::Box::new(Noting::new(0)));
    timer.arm(1);
    // SAFETY: never used again.
    unsafe { core::ptr::drop_in_place(&raw mut timer.timer) };
}

#[test]
#[should_panic(expected = "own `fire`")]
fn cancelling_synchronously_in_its_own_fire_is_a_panic() {
    /// # Safety
    /// As for a timer's function.
    unsafe fn cancels(timer: NonNull<Timer>) {
        // SAFETY: the test keeps it.
        let _ = unsafe { timer.as_ref() }.cancel_sync();
    }
    let clock = TestClock::new();
    let _entered = clock.enter();
    let timer = Timer::new(cancels);
    // SAFETY: it stays here.
    unsafe { timer.arm(10) };
    clock.advance(Duration::from_nanos(10));
}

#[test]
#[should_panic(expected = "spin lock(s) held")]
fn cancelling_synchronously_with_a_lock_held_is_a_panic() {
    let clock = TestClock::new();
    let _entered = clock.enter();
    let lock = crate::sync::SpinLock::new("held", ());
    let _held = lock.lock();
    let _ = Noting::new(0).timer.cancel_sync();
}

/// A timer whose `fire` says that it runs, waits to be let go, and arms itself again for a moment that has passed.
#[repr(C)]
struct Slow {
    timer: Timer,
    runs: AtomicBool,
    may_end: AtomicBool,
    ended: AtomicUsize,
}

/// # Safety
/// As for a timer's function.
unsafe fn slow(timer: NonNull<Timer>) {
    // SAFETY: it is a `Slow`'s first field, which the test keeps.
    let slow = unsafe { timer.cast::<Slow>().as_ref() };
    slow.runs.store(true, Ordering::Release);
    while !slow.may_end.load(Ordering::Acquire) {
        std::thread::yield_now();
    }
    // SAFETY: the test keeps it where it is.
    unsafe { slow.timer.arm(0) };
    slow.ended.fetch_add(1, Ordering::Release);
}

#[test]
fn a_synchronous_cancellation_waits_for_one_fire_and_stops_one_that_always_arms_again() {
    let clock = TestClock::new();
    let _entered = clock.enter();
    let timer = Slow {
        timer: Timer::new(slow),
        runs: AtomicBool::new(false),
        may_end: AtomicBool::new(false),
        ended: AtomicUsize::new(0),
    };
    // SAFETY: it stays here until the end of the test, when it is not armed.
    unsafe { timer.timer.arm(10) };
    clock.skip_to(10);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // The core.
            clock.interrupt();
        });
        while !timer.runs.load(Ordering::Acquire) {
            std::thread::yield_now();
        }
        assert_eq!(timer.timer.cancel(), Cancel::Missed, "the asynchronous one does not wait");
        let canceller = scope.spawn(|| {
            let _entered = TestClock::new().enter();
            let outcome = timer.timer.cancel_sync();
            assert_eq!(timer.ended.load(Ordering::Relaxed), 1);
            outcome
        });
        // It waits: give it a chance not to.
        std::thread::sleep(Duration::from_millis(20));
        assert!(!canceller.is_finished());
        timer.may_end.store(true, Ordering::Release);
        assert_eq!(canceller.join().expect("the thread ends well"), Cancel::Missed);
    });
    assert!(!timer.timer.is_armed());
    assert_eq!(timer.ended.load(Ordering::Relaxed), 1);
}

/// Frees its timer in `fire`, as a sleeper that is woken does.
#[test]
fn a_fire_may_free_its_timer() {
    static FREED: AtomicPtr<Timer> = AtomicPtr::new(core::ptr::null_mut());
    /// # Safety
    /// As for a timer's function.
    unsafe fn frees(timer: NonNull<Timer>) {
        FREED.store(timer.as_ptr(), Ordering::Relaxed);
        // SAFETY: leaked below, and nobody touches it after this.
        unsafe {
            timer.as_ptr().cast::<u8>().write_bytes(0xa5, size_of::<Timer>());
            std::alloc::dealloc(timer.as_ptr().cast(), std::alloc::Layout::new::<Timer>());
        }
    }
    let clock = TestClock::new();
    let _entered = clock.enter();
    let timer: &Timer = std::boxed::Box::leak(std::boxed::Box::new(Timer::new(frees)));
    // SAFETY: leaked.
    unsafe { timer.arm(10) };
    clock.advance(Duration::from_nanos(10));
    assert!(core::ptr::eq(FREED.load(Ordering::Relaxed), timer));
    assert_eq!(clock.stats().armed, 0);
}
