//! Timers: arming and cancelling one while many are armed.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::ptr::NonNull;

use libkern::time::timer::{TestClock, Timer};

use crate::runs::compare as compare_runs;

/// How many are armed.
const ARMED: u64 = 100_000;
/// Deadlines lie within this time, in nanoseconds.
const RANGE: u64 = 60_000_000_000;

/// # Safety
/// None is needed.
unsafe fn nothing(_: NonNull<Timer>) {}

/// Deadlines that look like chance, the same on every run.
struct Deadlines(u64);

impl Deadlines {
    fn next(&mut self) -> u64 {
        // Knuth's constants; the high bits are the good ones.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        1 + (self.0 >> 16) % RANGE
    }
}

/// An operation arms a timer and cancels it.
pub fn compare() {
    let clock = TestClock::new();
    let _entered = clock.enter();
    let mut deadlines = Deadlines(1);
    for _ in 0..ARMED {
        let timer = Box::leak(Box::new(Timer::new(nothing)));
        // SAFETY: leaked, so that it stays where it is.
        unsafe { timer.arm(deadlines.next()) };
    }
    let timer = Box::leak(Box::new(Timer::new(nothing)));
    let mut ours = |operations: u64| {
        let mut deadlines = Deadlines(2);
        for _ in 0..operations {
            // SAFETY: as above, and it is cancelled before it is armed anew.
            unsafe { timer.arm(deadlines.next()) };
            black_box(timer.cancel());
        }
    };
    let mut tree: BTreeMap<(u64, u64), usize> = (0..ARMED).map(|id| ((deadlines.next(), id), 0)).collect();
    let mut theirs = |operations: u64| {
        let mut deadlines = Deadlines(2);
        for _ in 0..operations {
            let key = (deadlines.next(), ARMED);
            tree.insert(key, 0);
            black_box(tree.remove(&key));
        }
    };
    compare_runs("arm and cancel a timer, 100,000 armed", "std's BTreeMap", &mut ours, &mut theirs);
}
