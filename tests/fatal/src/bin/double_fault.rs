//! An exception whose handler cannot be entered: the table ends before it, and before the one that complains of that.

#![no_std]
#![no_main]

use core::arch::asm;

#[libkern::main]
fn main() {
    /// Vectors 0 to 8: the page fault and the general protection fault are beyond.
    const LIMIT: u16 = 9 * 16 - 1;
    let mut table = [0_u8; 10];
    // SAFETY: shortens the interrupt table, which is what is to be survived long enough to be reported.
    unsafe {
        asm!("sidt [{}]", in(reg) &raw mut table, options(nostack, preserves_flags));
        table[..2].copy_from_slice(&LIMIT.to_le_bytes());
        asm!("cli", "lidt [{}]", in(reg) &raw const table, options(nostack));
        asm!("mov {0}, [{0}]", inout(reg) 0xdead_0000_usize => _, options(nostack, preserves_flags));
    }
}
