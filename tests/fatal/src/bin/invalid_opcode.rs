//! An instruction that does not exist.

#![no_std]
#![no_main]

#[libkern::main]
fn main() {
    // SAFETY: none; the image is to die of it.
    unsafe { core::arch::asm!("ud2") };
}
