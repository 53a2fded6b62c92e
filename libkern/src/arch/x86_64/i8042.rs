//! The keyboard controller of a PC.
//!
//! Source: the 8042's registers as the PC/AT technical reference has them: data at 0x60, status and commands at 0x64.

use x86_64::instructions::port::Port;

use super::clock;

/// The keyboard's ISA interrupt line.
pub const ISA_LINE: u8 = 1;

const DATA: u16 = 0x60;
const STATUS: u16 = 0x64;
const COMMAND: u16 = 0x64;

/// Status: a byte can be read.
const OUTPUT_FULL: u8 = 1 << 0;
/// Status: the last byte that was written has not been taken.
const INPUT_FULL: u8 = 1 << 1;
/// Status: the byte is of the second device, which is a mouse.
const OF_MOUSE: u8 = 1 << 5;

/// Command: read the configuration.
const READ_CONFIG: u8 = 0x20;
/// Command: write the configuration.
const WRITE_CONFIG: u8 = 0x60;
/// Command: switch the keyboard's line on.
const ENABLE_KEYBOARD: u8 = 0xae;

/// Configuration: the keyboard interrupts.
const KEYBOARD_INTERRUPTS: u8 = 1 << 0;
/// Configuration: the keyboard's line is off.
const KEYBOARD_OFF: u8 = 1 << 4;
/// Configuration: scan codes are translated to set 1.
const TRANSLATES: u8 = 1 << 6;

/// How long the controller has for anything.
const PATIENCE_NS: u64 = 20_000_000;

/// Switches the keyboard and its interrupts on. Says whether there is a controller. Once.
pub fn init() -> bool {
    // Where nothing is, ports read as ones.
    if status() == 0xff {
        return false;
    }
    while receive().is_some() {}
    let configure = || {
        command(ENABLE_KEYBOARD)?;
        command(READ_CONFIG)?;
        let config = await_byte()?;
        command(WRITE_CONFIG)?;
        write(DATA, (config | KEYBOARD_INTERRUPTS | TRANSLATES) & !KEYBOARD_OFF)
    };
    configure().is_some()
}

/// A byte from the keyboard, if there is one. What a mouse sends is thrown away.
pub fn receive() -> Option<u8> {
    loop {
        let status = status();
        if status & OUTPUT_FULL == 0 || status == 0xff {
            return None;
        }
        // SAFETY: the controller's data port.
        let byte = unsafe { Port::<u8>::new(DATA).read() };
        if status & OF_MOUSE == 0 {
            return Some(byte);
        }
    }
}

fn status() -> u8 {
    // SAFETY: reading the status changes nothing.
    unsafe { Port::<u8>::new(STATUS).read() }
}

fn command(command: u8) -> Option<()> {
    write(COMMAND, command)
}

fn write(port: u16, byte: u8) -> Option<()> {
    wait_until(|| status() & INPUT_FULL == 0)?;
    // SAFETY: the controller's port, which takes a byte now.
    unsafe { Port::<u8>::new(port).write(byte) };
    Some(())
}

fn await_byte() -> Option<u8> {
    wait_until(|| status() & OUTPUT_FULL != 0)?;
    // SAFETY: the controller's data port.
    Some(unsafe { Port::<u8>::new(DATA).read() })
}

fn wait_until(done: impl Fn() -> bool) -> Option<()> {
    let end = clock::now_ns() + PATIENCE_NS;
    while !done() {
        if clock::now_ns() > end {
            return None;
        }
        super::relax();
    }
    Some(())
}
