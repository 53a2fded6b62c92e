//! As `deadlock`, while long sleeps are looked for.

#![no_std]
#![no_main]

use core::time::Duration;

use libkern::kthread;
use libkern::kthread::sync::Semaphore;

static NEVER: Semaphore = Semaphore::new(0);

#[libkern::main]
fn main() {
    kthread::set_sleep_limit(Duration::from_millis(1));
    // A look comes while the deadlock is suspected already.
    kthread::sleep(Duration::from_millis(1_500));
    NEVER.down();
    libkern::println!("still alive after ever");
}
