//! A panic on a core that is not the one of `main`.

#![no_std]
#![no_main]

use libkern::{cpu, kthread};

#[libkern::main]
fn main() {
    let last = cpu::count() - 1;
    kthread::call(last, || panic!("expected on core {}", cpu::id()));
}
