//! What timers and alarms cost on one core, for counting from outside.

#![no_std]
#![no_main]

mod regions;

use core::hint::black_box;
use core::ptr::NonNull;
use core::time::Duration;

use libkern::alarm::{Alarm, Handle};
use libkern::arch::qemu;
use libkern::time::Instant;
use libkern::time::timer::Timer;

use regions::measure;

const OPERATIONS: usize = 2_000;

/// Nothing fires here.
const HOUR: Duration = Duration::from_secs(3600);

#[libkern::main]
fn main() {
    let (timer, alarm) = (Timer::new(nothing), Alarm::new(|_| {}));
    // The first and last of the core: the hardware is armed and disarmed each time.
    measure!(timer_alone, OPERATIONS, |rounds| timer_arm_cancel(&timer, rounds));
    measure!(alarm_alone, OPERATIONS, |rounds| alarm_set_cancel(&alarm, rounds));
    // Behind others.
    let others: [Alarm; 20] = core::array::from_fn(|_| Alarm::new(|_| {}));
    for (minutes, other) in (1..).zip(&others) {
        other.set_after(minutes * HOUR / 60);
    }
    measure!(timer, OPERATIONS, |rounds| timer_arm_cancel(&timer, rounds));
    measure!(alarm, OPERATIONS, |rounds| alarm_set_cancel(&alarm, rounds));
    qemu::control(format_args!("metric operations {OPERATIONS} count"));
}

/// # Safety
/// As for a timer's function.
unsafe fn nothing(_: NonNull<Timer>) {}

/// Arms a timer for an hour from now and cancels it.
#[inline(never)]
fn timer_arm_cancel(timer: &Timer, rounds: usize) {
    let deadline = (Instant::now() + HOUR).as_nanos();
    for round in 0..rounds as u64 {
        // SAFETY: it stays where it is until it is cancelled, right below.
        unsafe { timer.arm(black_box(deadline + round)) };
        let _ = timer.cancel();
    }
}

/// Sets an alarm for an hour from now and cancels it.
#[inline(never)]
fn alarm_set_cancel(alarm: &Handle, rounds: usize) {
    let deadline = Instant::now() + HOUR;
    for _ in 0..rounds {
        alarm.set_at(black_box(deadline));
        black_box(alarm.cancel());
    }
}
