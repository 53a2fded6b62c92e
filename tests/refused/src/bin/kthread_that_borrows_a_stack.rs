//! A kthread may outlive who spawned it, so it borrows nothing that does not live for ever.

#![no_std]
#![no_main]

use libkern::kthread;

#[libkern::main]
fn main() {
    let local = 1;
    assert_eq!(kthread::call(0, || local + 1), 2);
    kthread::spawn(|| local + 1).join(); //~ closure may outlive the current function
}
