//! kthreads: that a call stack put aside is taken up again whole, wherever that is; that putting it aside costs no memory;
//! and that nobody touches a stack that is not his.

#![no_std]
#![no_main]

extern crate alloc;

mod blocking;
mod dump;
mod ends;
mod leaving;
mod memory;
mod migration;
mod panics;
mod remote;
mod spawning;
mod stacks;

libkern::test_main!();

/// A core to work with: another one, if there is one.
fn other() -> usize {
    libkern::cpu::count() - 1
}

/// So many, or a tenth in an image that is not optimised, which takes ten times as long for each.
const fn many(count: usize) -> usize {
    if cfg!(debug_assertions) { count / 10 } else { count }
}
