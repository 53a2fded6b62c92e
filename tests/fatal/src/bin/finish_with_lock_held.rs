//! A message that does not return, and takes a lock with it.

#![no_std]
#![no_main]

use libkern::kthread::sync::Semaphore;
use libkern::sync::IrqSpinLock;
use libkern::{cpu, kmsg, kthread};

static LOCK: IrqSpinLock<()> = IrqSpinLock::new("the lock in question", ());
static NEVER: Semaphore = Semaphore::new(0);

#[libkern::main]
fn main() {
    kmsg::send_routine(cpu::count() - 1, |cx| {
        let _held = LOCK.lock();
        kthread::finish(cx)
    });
    NEVER.down();
}
