//! Kernel mechanisms of a library OS for many-core applications.
#![cfg_attr(not(any(test, feature = "hosted")), no_std)]

extern crate alloc;

pub mod arch;
pub mod args;
pub mod bootinfo;
pub mod console;
pub mod mem;
pub mod random;
pub mod sync;
