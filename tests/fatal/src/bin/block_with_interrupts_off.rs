//! Yielding with interrupts off.

#![no_std]
#![no_main]

use libkern::kthread;
use libkern::sync::without_interrupts;

#[libkern::main]
fn main() {
    without_interrupts(|_| kthread::yield_now());
    libkern::println!("still alive after yielding with interrupts off");
}
