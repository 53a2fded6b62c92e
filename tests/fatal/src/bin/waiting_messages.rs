//! What waits for a core, on the console.

#![no_std]
#![no_main]

extern crate alloc;

use alloc::string::String;

use libkern::{cpu, kmsg, println};

#[inline(never)]
fn first_errand() {
    println!("the first errand is run");
}

#[libkern::main]
fn main() {
    kmsg::send_routine(cpu::id(), |_| first_errand());
    kmsg::send_routine(cpu::id(), second_errand);
    let mut text = String::new();
    kmsg::dump(&mut text).expect("a string takes everything");
    println!("{text}");
}

fn second_errand(_: kmsg::Routine) {
    println!("the second errand is run");
}
