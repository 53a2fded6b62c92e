//! What two cores cost together, for counting from outside. `tests/peer/two_cores.c` does the same on Linux.

#![no_std]
#![no_main]

mod regions;

use core::hint;
use core::time::Duration;

use libkern::kthread::sync::Semaphore;
use libkern::kthread::{self, Builder};
use libkern::time::Instant;

use regions::measure;

#[libkern::main]
fn main() {
    measure!(hand_off, 2_000, hand_off);
    measure!(idle_core, 2, idle_core);
}

static PING: Semaphore = Semaphore::new(0);
static PONG: Semaphore = Semaphore::new(0);

/// Two kthreads, each on its core, hand a token to and fro; each sleeps while the other has it, and its core halts. An
/// operation is one way.
fn hand_off(n: usize) {
    let partner = Builder::new().core(1).spawn(move || {
        for _ in 0..n / 2 {
            PING.down();
            roost_wait_until_the_other_halts();
            PONG.up();
        }
    });
    let partner = partner.expect("there is memory for a kthread");
    for _ in 0..n / 2 {
        roost_wait_until_the_other_halts();
        PING.up();
        PONG.down();
    }
    partner.join();
}

/// Waits until the other core has surely halted. What functions of this prefix execute is not counted.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn roost_wait_until_the_other_halts() {
    let until = Instant::now() + Duration::from_micros(50);
    while Instant::now() < until {
        hint::spin_loop();
    }
}

/// Seconds in which nobody wants anything.
fn idle_core(n: usize) {
    kthread::sleep(Duration::from_secs(n as u64));
}
