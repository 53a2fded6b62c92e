//! A kthread that takes a mutex which it holds.

#![no_std]
#![no_main]

use libkern::kthread::Builder;
use libkern::kthread::sync::Mutex;

static MUTEX: Mutex<u32> = Mutex::new(1);

#[libkern::main]
fn main() {
    let greedy = Builder::new().name("greedy").spawn(|| {
        let first = MUTEX.lock();
        let second = MUTEX.lock();
        libkern::println!("still alive with both: {} {}", *first, *second);
    });
    greedy.expect("there is memory for a stack").join();
}
