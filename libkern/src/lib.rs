//! Kernel mechanisms of a library OS for many-core applications.
#![cfg_attr(not(any(test, feature = "hosted")), no_std)]

extern crate alloc;

/// What stands on the real machine only.
#[cfg(not(any(test, feature = "hosted")))]
macro_rules! on_metal {
    ($($item:item)*) => { $($item)* };
}
#[cfg(any(test, feature = "hosted"))]
macro_rules! on_metal {
    ($($item:item)*) => {};
}

pub mod alarm;
pub mod arch;
pub mod args;
pub mod bootinfo;
pub mod console;
pub mod dev;
pub mod kmsg;
pub mod kthread;
pub mod mem;
pub mod proc;
pub mod random;
pub mod sync;
pub mod time;

on_metal! {
    pub mod cpu;
    pub mod entry;
    pub mod machine;
    mod syscall;
    pub mod testing;

    pub use entry::{ExitCode, Termination, exit, reboot};
}

/// The file of a program that the application's build script names by `roost_linker::program`, as bytes.
#[macro_export]
macro_rules! include_program {
    ($name:literal) => {{
        const FILE: &[u8] = ::core::include_bytes!(::core::env!(::core::concat!("ROOST_PROGRAM_", $name)));
        const SYMBOLS: &str = ::core::concat!(::core::env!(::core::concat!("ROOST_PROGRAM_SYMBOLS_", $name)), "\n");
        #[used]
        // SAFETY: not loaded (`image.ld`): lines for the tool, each with the path of a program's file.
        #[unsafe(link_section = ".roost.programs")]
        static SYMBOLS_OF: [u8; SYMBOLS.len()] = *SYMBOLS.as_bytes().first_chunk().unwrap();
        FILE
    }};
}

pub use args::args;
pub use libkern_macros::{main, test};
pub use mcp_ring as ring;
