//! What says that this is an interrupt says so of here and now, and goes nowhere else.

#![no_std]
#![no_main]

use libkern::kmsg;

#[libkern::main]
fn main() {
    kmsg::send_immediate(0, |cx| {
        kmsg::send_routine(0, move |_| drop(cx)); //~ cannot be sent between threads safely
    });
}
