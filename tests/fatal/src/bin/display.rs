//! Draws where there is a screen, and is asked for a key.

#![no_std]
#![no_main]

use core::time::Duration;

use libkern::arch::qemu;
use libkern::dev::display::{Display, OpenError};
use libkern::dev::keyboard;
use libkern::println;

#[libkern::main]
fn main() -> u8 {
    let mut display = Display::open().expect("the machine has a screen");
    let (width, height) = (display.width(), display.height());
    println!("a display of {width} by {height}");
    assert_eq!(Display::open().unwrap_err(), OpenError::InUse);
    // What is beyond the edges is left out, and harms nobody.
    display.fill(0, 0, usize::MAX, usize::MAX, 0x0010_2030);
    display.fill(0, 0, 64, 1, 0x00ff_8001);
    display.draw(64, 0, 2, &[0x0000_00ff; 5]);
    display.draw(width - 1, height - 1, 3, &[0x0000_ff00; 9]);
    display.draw(width, 0, 1, &[1]);
    display.draw(0, height, 1, &[1]);
    display.draw(5, 5, 0, &[1]);

    assert!(keyboard::is_there());
    qemu::control(format_args!("press r"));
    println!("the key is {:?}", keyboard::read());
    let none = keyboard::read_timeout(Duration::from_millis(50));
    println!("and no other came: {none:?}");
    drop(display);
    // It can be opened again; what was drawn is what QEMU goes on showing, or is drawn anew.
    let mut display = Display::open().expect("nobody has it");
    display.fill(0, 0, width, height, 0x0010_2030);
    display.fill(0, 0, 64, 1, 0x00ff_8001);
    display.fill(64, 0, 2, 2, 0x0000_00ff);
    display.fill(width - 1, height - 1, 1, 1, 0x0000_ff00);
    core::mem::forget(display);
    7
}
