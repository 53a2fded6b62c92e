//! A kthread that keeps its core from its messages.

#![no_std]
#![no_main]

use core::time::Duration;

use libkern::kthread::Builder;
use libkern::time::Instant;
use libkern::{cpu, kmsg, kthread, println};

#[inline(never)]
fn keep_the_core(until: Instant) {
    while Instant::now() < until {
        // Nearly always here, and in no call: a walk from the first instruction of a function misses who called it.
        let mut left = 10_000_u32;
        while left > 0 {
            left -= 1;
            core::hint::spin_loop();
        }
    }
}

#[libkern::main]
fn main() {
    let core = cpu::count() - 1;
    kmsg::set_hog_limit(Duration::from_millis(200));
    let until = Instant::now() + Duration::from_secs(1);
    let hog = Builder::new().core(core).spawn(move || keep_the_core(until)).expect("there is memory for a stack");
    kthread::sleep(Duration::from_millis(100));
    // Behind the first, others wait; one that comes when it has waited for too long tells.
    for _ in 0..4 {
        kmsg::send_routine(core, |_| ());
        kthread::sleep(Duration::from_millis(150));
    }
    hog.join();
    println!("the end");
}
