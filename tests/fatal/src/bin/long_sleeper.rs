//! A kthread that waits for longer than it should, one that is there in time, and `main`, which sleeps for a time of its own.

#![no_std]
#![no_main]

use core::time::Duration;

use libkern::kthread::sync::Semaphore;
use libkern::kthread::{self, Builder};
use libkern::{cpu, println};

static NEVER: Semaphore = Semaphore::new(0);

#[inline(never)]
fn wait_for_ever() {
    NEVER.down();
    println!("still alive after ever");
}

#[libkern::main]
fn main() {
    kthread::set_sleep_limit(Duration::from_millis(300));
    drop(
        Builder::new().name("dozer").core(cpu::count() - 1).spawn(wait_for_ever).expect("there is memory for a stack"),
    );
    let punctual = || (0..25).for_each(|_| kthread::sleep(Duration::from_millis(100)));
    let punctual = Builder::new().name("punctual").spawn(punctual).expect("there is memory for a stack");
    // Two looks after the first, and some time in which everybody sleeps, which is no deadlock.
    kthread::sleep(Duration::from_millis(5_500));
    // None any more.
    kthread::set_sleep_limit(Duration::ZERO);
    punctual.join();
    println!("the end");
}
