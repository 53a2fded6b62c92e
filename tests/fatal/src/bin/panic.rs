//! A panic in `main`, three calls deep: message, place, backtrace, and a line for every other core.

#![no_std]
#![no_main]

#[libkern::main]
fn main() {
    outer(3);
}

#[inline(never)]
fn outer(depth: u32) {
    middle(core::hint::black_box(depth));
}

#[inline(never)]
fn middle(depth: u32) {
    inner(core::hint::black_box(depth));
}

#[inline(never)]
fn inner(depth: u32) {
    panic!("this is expected, {depth} calls deep");
}
