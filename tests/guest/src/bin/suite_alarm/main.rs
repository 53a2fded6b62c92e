//! Timers and alarms: that nothing rings early, twice, elsewhere or not at all, and that what is cancelled is.

#![no_std]
#![no_main]

extern crate alloc;

mod alarms;
mod cancelling;
mod shot;
mod timers;

libkern::test_main!();

/// Another core than the one on which cases run, if there is one.
fn other() -> usize {
    libkern::cpu::count() - 1
}
