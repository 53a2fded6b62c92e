//! Joining with a spin lock held.

#![no_std]
#![no_main]

use libkern::kthread;
use libkern::sync::SpinLock;

static FIRST: SpinLock<()> = SpinLock::new("another lock", ());
static SECOND: SpinLock<()> = SpinLock::new("the lock in question", ());

#[libkern::main]
fn main() {
    let kthread = kthread::spawn(|| libkern::println!("still alive while somebody waits with a lock held"));
    drop(FIRST.lock());
    let _held = SECOND.lock();
    kthread.join();
}
