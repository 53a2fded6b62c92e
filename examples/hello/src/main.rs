//! Greets from every core, and says what it runs on.

#![no_std]
#![no_main]

use libkern::{cpu, kthread, machine, mem, println, time};

#[libkern::main]
fn main() {
    let since_reset = time::since_reset();
    kthread::call_all(|core| println!("Hello from core {core} (APIC id {})!", cpu::apic_id()));

    let machine = machine::get();
    let memory = mem::stats();
    println!(
        "{} cores, {} MiB of memory, {} MiB free",
        cpu::count(),
        memory.total_bytes >> 20,
        memory.free_bytes >> 20
    );
    match machine.loader {
        "" => println!("booted by {}", machine.protocol.name()),
        loader => println!("booted by {} from {loader}", machine.protocol.name()),
    }
    println!("{since_reset:?} from the machine's start to main");
}
