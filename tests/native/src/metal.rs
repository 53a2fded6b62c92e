//! The kernel's switch of call stacks, from its own file, which belongs to the real machine. Only what changes stacks is
//! called here.
#![allow(dead_code)]

#[path = "../../../libkern/src/arch/x86_64/switch.rs"]
pub mod switch;

/// The core block, as far as the file names it. Nothing reads or writes it.
mod core_block {
    #[derive(Debug)]
    pub struct StackBounds {
        _bounds: [usize; 2],
    }

    pub mod offsets {
        pub const STACK: usize = 0;
    }
}
