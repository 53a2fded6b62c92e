//! A recursion without end.

#![no_std]
#![no_main]

#[libkern::main]
fn main() {
    recurse(0);
}

#[inline(never)]
#[expect(unconditional_recursion, reason = "the stack is to overflow")]
fn recurse(depth: u64) -> u64 {
    let frame = core::hint::black_box([depth; 16]);
    recurse(depth + 1) + frame[3]
}
