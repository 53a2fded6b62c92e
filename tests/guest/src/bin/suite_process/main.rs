//! Isolated processes: that they run, and that nothing they do harms anybody else.

#![no_std]
#![no_main]

extern crate alloc;

mod faults;
mod handled;
mod kthreads;
mod life;
mod support;

libkern::test_main!();
