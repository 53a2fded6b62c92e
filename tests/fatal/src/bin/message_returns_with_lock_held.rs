//! A routine message whose handler returns without having released a lock.

#![no_std]
#![no_main]

use libkern::kthread::sync::Semaphore;
use libkern::sync::SpinLock;
use libkern::{cpu, kmsg};

static LOCK: SpinLock<()> = SpinLock::new("the lock in question", ());
static NEVER: Semaphore = Semaphore::new(0);

#[libkern::main]
fn main() {
    kmsg::send_routine(cpu::count() - 1, |_| core::mem::forget(LOCK.lock()));
    NEVER.down();
}
