//! The hostile corpus: what isolated processes try, what becomes of them, and that nobody else notices.
//!
//! Attempts are in `tests/programs`, in the program `hostile`. Each is made while a sibling computes a checksum: when it
//! is over, the process has ended as it should, the sibling's sum is right, and as many frames are used as before.

#![no_std]
#![no_main]

extern crate alloc;

mod calls;
mod floods;
mod instructions;
mod memory;
mod random;
mod registers;

libkern::test_main!();
