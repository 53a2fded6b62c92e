//! A message runs when its sender may be gone.

#![no_std]
#![no_main]

use libkern::kmsg;

#[libkern::main]
fn main() {
    let local = 1;
    kmsg::send_routine(0, |_| assert_eq!(local, 1)); //~ closure may outlive the current function
}
