//! A timer's function that waits for a semaphore.

#![no_std]
#![no_main]

use core::ptr::NonNull;

use libkern::kthread::sync::Semaphore;
use libkern::time::Instant;
use libkern::time::timer::Timer;

static NEVER: Semaphore = Semaphore::new(0);
static TIMER: Timer = Timer::new(fire);

// SAFETY: of a signature that wants it; nothing is asked of the caller.
/// # Safety
/// As for a timer's function.
unsafe fn fire(_: NonNull<Timer>) {
    NEVER.down();
}

#[libkern::main]
fn main() {
    // SAFETY: a static, armed once.
    unsafe { TIMER.arm(Instant::now().as_nanos() + 1_000_000) };
    loop {
        core::hint::spin_loop();
    }
}
