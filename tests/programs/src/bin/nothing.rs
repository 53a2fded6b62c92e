//! Ends at once.

#![no_std]
#![no_main]

libmcp::program!(main);

fn main() {}
