//! Panics with a display open: the message must be on the screen all the same.

#![no_std]
#![no_main]

use libkern::dev::display::Display;

#[libkern::main]
fn main() {
    let mut display = Display::open().expect("the machine has a screen");
    display.fill(0, 0, display.width(), display.height(), 0x00ff_ffff);
    panic!("while it draws");
}
