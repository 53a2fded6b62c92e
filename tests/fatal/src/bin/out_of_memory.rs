//! Allocating until there is nothing left, in a place that cannot take an error.

#![no_std]
#![no_main]

extern crate alloc;

use alloc::boxed::Box;
use alloc::vec::Vec;

#[libkern::main]
fn main() {
    let mut hoard: Vec<Box<[u8]>> = Vec::new();
    loop {
        hoard.push(Box::new([7; 1000]));
    }
}
