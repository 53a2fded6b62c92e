//! A panic on a core that is not the one of `main`.

#![no_std]
#![no_main]

use libkern::cpu;

#[libkern::main]
fn main() {
    let last = cpu::count() - 1;
    cpu::on(last, || panic!("expected on core {}", cpu::id()));
}
