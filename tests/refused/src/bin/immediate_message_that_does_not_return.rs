//! What runs in an interrupt cannot end there.

#![no_std]
#![no_main]

use libkern::{kmsg, kthread};

#[libkern::main]
fn main() {
    kmsg::send_routine(0, |cx| kthread::finish(cx));
    kmsg::send_immediate(0, |cx| kthread::finish(cx)); //~ expected `Routine`, found `Immediate`
}
