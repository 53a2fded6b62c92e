//! Messages and kthreads in numbers: what a rare moment breaks, a million of them find.
//!
//! Every case is long. How long, its metrics say; what it did, too.

#![no_std]
#![no_main]

extern crate alloc;

mod messages;
mod sleeps;

libkern::test_main!();
