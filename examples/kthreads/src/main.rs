//! Producers and consumers: kthreads that wait for one another, for the console, and for time to pass.

#![no_std]
#![no_main]

extern crate alloc;

use core::time::Duration;

use libkern::{kthread, println};

#[libkern::main]
fn main() {
    let ticker = kthread::Builder::new().name("ticker").spawn(|| {
        for tick in 1..=3 {
            kthread::sleep(Duration::from_millis(100));
            println!("tick {tick}");
        }
    });
    ticker.expect("there is memory for a stack").join();
}
