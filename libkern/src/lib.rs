//! Kernel mechanisms of a library OS for many-core applications.
#![cfg_attr(not(any(test, feature = "hosted")), no_std)]

extern crate alloc;

pub mod arch;
pub mod args;
pub mod bootinfo;
pub mod console;
#[cfg(any(test, feature = "hosted"))]
pub mod kthread;
pub mod mem;
pub mod random;
pub mod sync;

/// What stands on the real machine only.
#[cfg(not(any(test, feature = "hosted")))]
macro_rules! on_metal {
    ($($item:item)*) => { $($item)* };
}
#[cfg(any(test, feature = "hosted"))]
macro_rules! on_metal {
    ($($item:item)*) => {};
}

on_metal! {
    pub mod cpu;
    pub mod dev;
    pub mod entry;
    pub mod machine;
    pub mod testing;
    pub mod time;

    pub use entry::{ExitCode, Termination, exit, reboot};
}

pub use args::args;
pub use libkern_macros::{main, test};
