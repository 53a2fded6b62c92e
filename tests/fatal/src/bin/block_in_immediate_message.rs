//! An immediate message whose handler calls another core, which is to wait for it.

#![no_std]
#![no_main]

use libkern::kthread::sync::Semaphore;
use libkern::{cpu, kmsg, kthread};

static NEVER: Semaphore = Semaphore::new(0);

#[libkern::main]
fn main() {
    kmsg::send_immediate(cpu::count() - 1, |_| handler_in_question());
    NEVER.down();
}

#[inline(never)]
fn handler_in_question() {
    kthread::call(0, || libkern::println!("still alive in a call from an immediate message"));
}
