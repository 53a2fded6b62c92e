//! What isolated processes are passed, and how they talk: handles, shared regions, channels.

#![no_std]
#![no_main]

extern crate alloc;

mod ends;
mod handles;
mod messages;
mod support;

libkern::test_main!();
