//! A spin lock is released by the core that took it.

#![no_std]
#![no_main]

use libkern::kthread;
use libkern::sync::SpinLock;

static LOCK: SpinLock<u32> = SpinLock::new("lock", 0);

#[libkern::main]
fn main() {
    let guard = LOCK.lock();
    kthread::spawn(move || drop(guard)).join(); //~ cannot be sent between threads safely
}
