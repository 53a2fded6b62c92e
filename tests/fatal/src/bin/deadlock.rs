//! Two kthreads that wait for each other's semaphore, and `main`, which waits for one of them.

#![no_std]
#![no_main]

use libkern::kthread::Builder;
use libkern::kthread::sync::{Barrier, Semaphore};
use libkern::{cpu, println};

static FORKS: [Semaphore; 2] = [const { Semaphore::new(1) }; 2];
/// Each has his left one.
static SEATED: Barrier = Barrier::new(2);

fn dine(left: usize) {
    FORKS[left].down();
    SEATED.wait();
    wait_for_ever(1 - left);
}

#[inline(never)]
fn wait_for_ever(right: usize) {
    FORKS[right].down();
    println!("still alive with two forks");
}

#[libkern::main]
fn main() {
    let philosopher = |name, core, left| {
        Builder::new().name(name).core(core).spawn(move || dine(left)).expect("there is memory for a stack")
    };
    let first = philosopher("Plato", 0, 0);
    let second = philosopher("Aristotle", cpu::count() - 1, 1);
    first.join();
    second.join();
}
