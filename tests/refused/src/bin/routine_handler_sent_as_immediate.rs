//! Only a routine message may launch, block, or not return; a handler that wants to be one cannot be sent as immediate.

#![no_std]
#![no_main]

use libkern::kmsg;

fn launches(_: kmsg::Routine) {}

#[libkern::main]
fn main() {
    kmsg::send_routine(0, launches);
    kmsg::send_immediate(0, launches); //~ expected function signature `fn(Immediate) -> _`
}
