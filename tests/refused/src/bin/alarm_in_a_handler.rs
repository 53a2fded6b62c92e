//! Who has an alarm may wait for its handler, so no handler has one.

#![no_std]
#![no_main]

use libkern::alarm::Alarm;

#[libkern::main]
fn main() {
    let other = Alarm::new(|_| {});
    let handle = other.handle();
    let _asynchronously = Alarm::new(move |_| _ = handle.cancel());
    let _synchronously = Alarm::new(move |_| _ = other.cancel_sync()); //~ cannot be sent between threads safely
}
