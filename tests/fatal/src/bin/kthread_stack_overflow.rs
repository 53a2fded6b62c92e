//! A recursion without end in a kthread with the smallest stack, on whatever core is the last.

#![no_std]
#![no_main]

use libkern::{cpu, kthread};

#[libkern::main]
fn main() {
    let digger = kthread::Builder::new().name("digger").stack_size(kthread::MIN_STACK).core(cpu::count() - 1);
    let depth = digger.spawn(|| dig(0)).expect("there is memory for a small stack").join();
    libkern::println!("still alive {depth} calls deep");
}

#[inline(never)]
#[expect(unconditional_recursion, reason = "the stack is to overflow")]
fn dig(depth: u64) -> u64 {
    let frame = core::hint::black_box([depth; 16]);
    dig(depth + 1) + frame[3]
}
