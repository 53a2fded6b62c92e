//! A test suite that boots: `cargo test`. It reports each case as cargo's own tests do.
#![no_std]
#![no_main]

extern crate alloc;

use core::sync::atomic::{AtomicUsize, Ordering};

use alloc::vec::Vec;
use libkern::{cpu, kthread};

libkern::test_main!();

#[libkern::test]
fn every_core_runs_what_it_is_given() {
    let runs = AtomicUsize::new(0);
    kthread::call_all(|_core| {
        runs.fetch_add(1, Ordering::Relaxed);
    });
    assert_eq!(runs.into_inner(), cpu::count());
}

/// A case may also return a `Result`; an error fails it.
#[libkern::test]
fn memory_can_be_allocated() -> Result<(), &'static str> {
    let squares: Vec<u64> = (0..100_000).map(|n| n * n).collect();
    match squares.binary_search(&(99 * 99)) {
        Ok(99) => Ok(()),
        _ => Err("the root of 9801 is 99"),
    }
}
