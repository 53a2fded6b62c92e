//! A kthread that may end alone panics where its core could not go on: it holds a spin lock.

#![no_std]
#![no_main]

use libkern::kthread::Builder;
use libkern::println;
use libkern::sync::SpinLock;

static LOCK: SpinLock<()> = SpinLock::new("the lock in question", ());

#[libkern::main]
fn main() {
    let harmless = Builder::new().name("harmless").spawn_contained(|| panic!("in the open")).expect("memory");
    println!("told: {}", harmless.join().unwrap_err());
    let holder = || {
        let _held = LOCK.lock();
        panic!("with a lock held")
    };
    let holder = Builder::new().name("holder").spawn_contained(holder).expect("there is memory for a stack");
    println!("still alive after {:?}", holder.join());
}
