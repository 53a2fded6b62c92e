//! Timers: when they fire, where, and what they cost a core that has none.

use alloc::vec::Vec;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use guest_tests::{Scatter, spin_for, spin_until, with_interrupts_off};
use libkern::mem;
use libkern::testing::{Skipped, metric, skip};
use libkern::time::Instant;
use libkern::time::timer::{self, Cancel, Timer};
use libkern::{cpu, kthread};

use crate::shot::Shot;

const MS: u64 = 1_000_000;

#[libkern::test(ids = ["M18"])]
fn timers_fire_once_each_not_early_and_on_the_core_that_armed_them() {
    for core in 0..cpu::count().min(4) {
        kthread::call(core, || {
            let mut scatter = Scatter::new(core as u64);
            let shots: [Shot; 100] = core::array::from_fn(|_| Shot::new());
            let before = timer::stats(core);
            for shot in &shots {
                // SAFETY: they stay until they have fired.
                unsafe { shot.arm_in(scatter.below(20 * MS)) };
            }
            shots.iter().for_each(|shot| shot.wait_for(1));
            spin_for(MS);
            assert!(shots.iter().all(|shot| shot.fired() == 1));
            let after = timer::stats(core);
            assert!(after.fired >= before.fired + 100);
        });
    }
}

#[libkern::test]
fn a_deadline_that_has_passed_fires_as_soon_as_interrupts_are_on() {
    for age_ns in [0, 1, 1000, u64::MAX] {
        let shot = Shot::new();
        let was_late = with_interrupts_off(|| {
            let now = Instant::now().as_nanos();
            // SAFETY: it stays until it has fired.
            unsafe { shot.arm(now.saturating_sub(age_ns)) };
            spin_for(MS);
            shot.fired() > 0
        });
        assert!(!was_late, "with interrupts off");
        shot.wait_for(1);
    }
}

#[libkern::test]
fn a_backlog_fires_in_the_order_of_its_deadlines() {
    let mut scatter = Scatter::new(7);
    let mut shots: Vec<Shot> = (0..500).map(|_| Shot::new()).collect();
    with_interrupts_off(|| {
        for shot in &shots {
            // SAFETY: the vector is neither moved nor freed before they have fired.
            unsafe { shot.arm_in(1000 + scatter.below(5 * MS)) };
        }
        spin_for(20 * MS);
    });
    shots.iter().for_each(|shot| shot.wait_for(1));
    shots.sort_by_key(Shot::deadline_ns);
    for pair in shots.windows(2) {
        assert!(pair[0].order() < pair[1].order() || pair[0].deadline_ns() == pair[1].deadline_ns());
    }
}

/// No timer of this core is armed, and its hardware is not either.
fn settle() {
    let shot = Shot::new();
    // SAFETY: it stays until it has fired.
    unsafe { shot.arm_in(0) };
    shot.wait_for(1);
    spin_until("no timer", || timer::armed(cpu::id()) == 0);
}

#[libkern::test]
fn a_core_without_timers_is_not_interrupted_for_any() {
    for core in 0..cpu::count().min(4) {
        kthread::call(core, || {
            settle();
            let interrupts = || timer::stats(core).interrupts;
            let before = interrupts();
            spin_for(30 * MS);
            assert_eq!(interrupts(), before, "it never had one");
            let shots = [const { Shot::new() }; 3];
            for shot in &shots {
                // SAFETY: they are cancelled below.
                unsafe { shot.arm_in(10 * MS) };
            }
            for shot in &shots {
                assert_eq!(shot.timer().cancel(), Cancel::Disarmed);
            }
            spin_for(30 * MS);
            assert_eq!(interrupts(), before, "they were cancelled");
        });
    }
    // And those that halt: this one keeps them from being a deadlock.
    let cores: Vec<usize> = (1..cpu::count()).filter(|&core| timer::armed(core) == 0).collect();
    let interrupts = || cores.iter().map(|&core| timer::stats(core).interrupts).sum::<u64>();
    let before = interrupts();
    spin_for(100 * MS);
    assert_eq!(interrupts(), before, "of halted cores");
}

#[libkern::test]
fn a_few_timers_cost_one_interrupt_each() {
    settle();
    let here = cpu::id();
    let before = timer::stats(here).interrupts;
    let shots: [Shot; 6] = core::array::from_fn(|_| Shot::new());
    // Further away than a counter of 32 bits reaches where it counts nanoseconds takes one more.
    for (delay_ms, shot) in [3, 40, 11, 90, 25, 60].into_iter().zip(&shots) {
        // SAFETY: they stay until they have fired.
        unsafe { shot.arm_in(delay_ms * MS) };
    }
    shots.iter().for_each(|shot| shot.wait_for(1));
    spin_for(MS);
    let interrupts = timer::stats(here).interrupts - before;
    metric("interrupts-for-6-timers", interrupts, "count");
    // The hardware's clock was calibrated against the other, and can be a little fast: then it comes twice for one. On a
    // host that is busy with others, one can come so late that it does for two.
    assert!((1..=18).contains(&interrupts), "{interrupts}");
}

#[libkern::test]
fn lateness_is_measured() {
    const ROUNDS: usize = 200;
    let here = cpu::id();
    let before = timer::stats(here);
    let mut late: Vec<u64> = (0..ROUNDS)
        .map(|_| {
            let shot = Shot::new();
            // SAFETY: it stays until it has fired.
            unsafe { shot.arm_in(200_000) };
            shot.wait_for(1);
            shot.late_ns()
        })
        .collect();
    late.sort_unstable();
    metric("late-median", late[ROUNDS / 2], "ns");
    metric("late-max", late[ROUNDS - 1], "ns");
    let after = timer::stats(here);
    assert!(after.fired - before.fired >= ROUNDS as u64);
    assert!(after.late_max_ns <= after.late_sum_ns && after.late_max_ns > 0);
    // What the shots measured includes the way from the wheel to them.
    assert!(after.late_sum_ns - before.late_sum_ns <= late.iter().sum());
}

/// A timer that notes as little as possible.
#[repr(C)]
struct Small {
    timer: Timer,
    deadline_ns: AtomicU64,
    fired: AtomicUsize,
}

/// # Safety
/// As for a timer's function.
unsafe fn note(timer: NonNull<Timer>) {
    // SAFETY: it is a `Small`'s first field, and stays until it was fired or cancelled.
    let small = unsafe { timer.cast::<Small>().as_ref() };
    assert!(Instant::now().as_nanos() >= small.deadline_ns.load(Ordering::Relaxed));
    small.fired.fetch_add(1, Ordering::Release);
}

/// Arms them all, for moments within `spread_ns` from `first_ns` on, in no order. How long that takes, in nanoseconds.
///
/// # Safety
/// They stay where they are until they have fired or are cancelled.
unsafe fn arm_all<'a>(smalls: impl Iterator<Item = &'a Small>, first_ns: u64, spread_ns: u64) -> u64 {
    let mut scatter = Scatter::new(first_ns);
    let start_ns = Instant::now().as_nanos();
    for small in smalls {
        let deadline_ns = first_ns + scatter.below(spread_ns);
        small.deadline_ns.store(deadline_ns, Ordering::Relaxed);
        // SAFETY: the caller's word.
        unsafe { small.timer.arm(deadline_ns) };
    }
    Instant::now().as_nanos() - start_ns
}

#[libkern::test(long)]
fn a_million_are_armed_at_once() -> Result<(), Skipped> {
    const COUNT: usize = 1_000_000;
    const CHUNK: usize = 1000;
    const HOUR_NS: u64 = 3_600_000 * MS;
    if mem::stats().free_bytes < COUNT * size_of::<Small>() * 9 / 8 {
        return skip("a million timers want more memory");
    }
    let small = |_| Small { timer: Timer::new(note), deadline_ns: AtomicU64::new(0), fired: AtomicUsize::new(0) };
    let chunks: Vec<Vec<Small>> = (0..COUNT / CHUNK).map(|_| (0..CHUNK).map(small).collect()).collect();
    let smalls = || chunks.iter().flatten();
    let (here, others) = (cpu::id(), timer::armed(cpu::id()));
    let now_ns = || Instant::now().as_nanos();
    // First for moments that will not come, to have them all at once and to know how long that takes.
    // SAFETY: the vectors stay until the end, when all have been fired or cancelled.
    let took_ns = unsafe { arm_all(smalls(), now_ns() + HOUR_NS, HOUR_NS) };
    assert!(timer::armed(here) >= COUNT);
    metric("armed-in", took_ns / COUNT as u64, "ns");
    let start_ns = now_ns();
    assert!(smalls().all(|small| small.timer.cancel() == Cancel::Disarmed));
    metric("cancelled-in", (now_ns() - start_ns) / COUNT as u64, "ns");
    assert!(timer::armed(here) <= others);
    // Then for moments soon; every other one is cancelled.
    // SAFETY: as above.
    unsafe { arm_all(smalls(), now_ns() + 4 * took_ns, 4 * took_ns) };
    let cancelled = smalls().step_by(2).filter(|small| small.timer.cancel() == Cancel::Disarmed).count();
    let before = timer::stats(here);
    spin_until("the others", || timer::armed(here) <= others);
    let fired: usize = smalls().map(|small| small.fired.load(Ordering::Acquire)).sum();
    assert_eq!(fired, COUNT - cancelled);
    assert!(smalls().skip(1).step_by(2).all(|small| small.fired.load(Ordering::Relaxed) == 1));
    let after = timer::stats(here);
    metric("late-on-average", (after.late_sum_ns - before.late_sum_ns) / fired as u64, "ns");
    metric("late-max", after.late_max_ns, "ns");
    metric("interrupts", after.interrupts - before.interrupts, "count");
    Ok(())
}
