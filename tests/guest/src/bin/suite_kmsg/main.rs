//! Kernel messages: that each arrives once, in order, where and as what it was sent, and that no core sleeps through one.

#![no_std]
#![no_main]

extern crate alloc;

mod context;
mod delivery;
mod eoi;
mod leaving;
mod memory;
mod waking;

libkern::test_main!();

/// The core that most cases send to: another one, if there is one.
fn target() -> usize {
    libkern::cpu::count() - 1
}
