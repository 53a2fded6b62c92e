//! A panic in an interrupt handler: the backtrace leads through the handler's stack.

#![no_std]
#![no_main]

use libkern::arch::{interrupts, irq, timer};

/// Nobody else's.
const VECTOR: u8 = 0x60;

#[libkern::main]
fn main() {
    interrupts::set_handler(VECTOR, |_| panic!("expected in an interrupt"));
    let _ = irq::save_and_disable();
    timer::set_vector(VECTOR);
    timer::arm(1_000_000);
    // SAFETY: the handlers are in place, and `main` depends on nothing.
    unsafe { irq::halt_until_interrupt() };
}
