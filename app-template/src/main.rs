//! An application that has the machine to itself.
//!
//! There is no operating system and no `std` below: `core`, `alloc` and `libkern` are what there is.
#![no_std]
#![no_main]

use libkern::{args, cpu, kthread, println};

/// Runs once, on one core, when all cores are up and memory, clock and console work.
///
/// What it returns ends the machine: `()` with success, an exit code, or a `Result` whose error is printed.
#[libkern::main]
fn main() {
    println!("Hello from {} cores.", cpu::count());

    // On every core at the same time; returns when all are done.
    kthread::call_all(|core| println!("core {core}: APIC id {}", cpu::apic_id()));

    // `cargo run -- some words` passes them here, as does `args` in Cargo.toml.
    for word in args() {
        println!("argument: {word}");
    }
}
