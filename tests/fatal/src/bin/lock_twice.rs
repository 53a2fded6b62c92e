//! Taking a lock that this core holds.

#![no_std]
#![no_main]

use libkern::sync::SpinLock;

static LOCK: SpinLock<u32> = SpinLock::new("the lock in question", 0);

#[libkern::main]
fn main() {
    let first = LOCK.lock();
    let second = LOCK.lock();
    libkern::println!("still alive with both: {} {}", *first, *second);
}
