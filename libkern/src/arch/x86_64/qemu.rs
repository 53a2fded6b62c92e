//! Talking to the host tool under QEMU.
//!
//! The tool gives the machine two devices: a debug console, to whose port the image writes lines that are not for people
//! (the control channel), and the debug exit. Both are looked for only where the firmware configuration device says that
//! this is QEMU: on other machines those ports may be anything.

use core::fmt;
use core::sync::atomic::{AtomicU8, Ordering};

use x86_64::instructions::port::Port;

use super::fw_cfg;

const CONTROL: u16 = 0xe9;
const EXIT: u16 = 0xf4;

const UNKNOWN: u8 = 0;
const NONE: u8 = 1 << 0;
const HAS_CONTROL: u8 = 1 << 1;
const HAS_EXIT: u8 = 1 << 2;

static DEVICES: AtomicU8 = AtomicU8::new(UNKNOWN);

fn devices() -> u8 {
    match DEVICES.load(Ordering::Relaxed) {
        UNKNOWN => {
            let found = probe();
            DEVICES.store(found, Ordering::Relaxed);
            found
        }
        known => known,
    }
}

fn probe() -> u8 {
    let mut found = NONE;
    if fw_cfg::is_qemu() {
        // SAFETY: under QEMU, reading either port does nothing; an absent device reads as ones.
        unsafe {
            if Port::<u8>::new(CONTROL).read() == CONTROL as u8 {
                found |= HAS_CONTROL;
            }
            if Port::<u32>::new(EXIT).read() == 0 {
                found |= HAS_EXIT;
            }
        }
    }
    found
}

/// Whether somebody reads the control channel.
pub fn has_control() -> bool {
    devices() & HAS_CONTROL != 0
}

/// Writes one line to the control channel, if there is one. `line` ends without a newline.
///
/// Any context. Lines of different cores may mix: whoever reports results does so from one core.
pub fn control(line: fmt::Arguments<'_>) {
    if has_control() {
        // Writing to the port cannot fail.
        let _ = fmt::write(&mut Control, format_args!("{line}\n"));
    }
}

struct Control;

impl fmt::Write for Control {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut port = Port::<u8>::new(CONTROL);
        for byte in text.bytes() {
            // SAFETY: the debug console takes any byte.
            unsafe { port.write(byte) };
        }
        Ok(())
    }
}

/// Ends QEMU with the status that stands for `code`, if it has the device for that.
pub fn exit(code: u8) {
    if devices() & HAS_EXIT != 0 {
        // SAFETY: ends the machine. QEMU's status is twice the value plus one, in eight bits.
        unsafe { Port::<u32>::new(EXIT).write(mcp_abi::exit::to_debug_exit(code)) };
    }
}
