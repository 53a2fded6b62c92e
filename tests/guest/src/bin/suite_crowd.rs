//! A hundred thousand kthreads at once.

#![no_std]
#![no_main]

extern crate alloc;

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Write};
use core::sync::atomic::{AtomicUsize, Ordering};

use libkern::kthread::sync::Semaphore;
use libkern::mem::{self, FrameUse};
use libkern::testing::{Skipped, metric, skip};
use libkern::time::Instant;
use libkern::{cpu, kthread};

libkern::test_main!();

const KTHREADS: usize = 100_000;

fn stacks_bytes() -> usize {
    mem::stats().used(FrameUse::KernelStacks)
}

/// Counts the lines of a dump that say that somebody sleeps.
struct Sleepers(usize);

impl Write for Sleepers {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 += usize::from(text.contains(" waits for "));
        Ok(())
    }
}

#[libkern::test(long, ids = ["K9"])]
fn a_hundred_thousand_kthreads_with_small_stacks_sleep_at_once_in_a_gibibyte() -> Result<(), Skipped> {
    static ASLEEP: AtomicUsize = AtomicUsize::new(0);
    static BELL: Semaphore = Semaphore::new(0);
    let total = mem::stats().total_bytes;
    if !(900 << 20..1 << 30).contains(&total) {
        return skip("for a machine of a gibibyte");
    }
    let (cores, before) = (cpu::count(), stacks_bytes());
    let start = Instant::now();
    let mut handles = Vec::with_capacity(KTHREADS);
    for number in 0..KTHREADS {
        let sleep = move || {
            // On the stack, and to be there afterwards.
            let mine = core::hint::black_box([number; 16]);
            ASLEEP.fetch_add(1, Ordering::Relaxed);
            BELL.down();
            core::hint::black_box(mine)[number % 16]
        };
        let builder = kthread::Builder::new().stack_size(kthread::MIN_STACK).core(number % cores);
        handles.push(builder.spawn(sleep).unwrap_or_else(|error| panic!("{number} kthreads, and then: {error}")));
        if number % 64 == 0 {
            kthread::yield_now();
        }
    }
    guest_tests::yield_until("all to sleep", || ASLEEP.load(Ordering::Relaxed) == KTHREADS);
    metric("spawning-each", start.elapsed().as_nanos() as usize / KTHREADS, "ns");

    let stacks = stacks_bytes() - before;
    assert!(stacks >= KTHREADS * kthread::MIN_STACK, "{stacks} bytes of stacks");
    metric("memory-each", (total - mem::stats().free_bytes) / KTHREADS, "bytes");
    metric("memory-left", mem::stats().free_bytes >> 20, "MiB");
    let mut sleepers = Sleepers(0);
    kthread::dump(&mut sleepers).expect("a counter takes everything");
    assert!(sleepers.0 >= KTHREADS, "{} of them are listed as asleep", sleepers.0);

    let start = Instant::now();
    assert_eq!(BELL.up_many(KTHREADS), KTHREADS, "all slept");
    let sum: usize = handles.into_iter().map(kthread::JoinHandle::join).sum();
    assert_eq!(sum, KTHREADS * (KTHREADS - 1) / 2);
    metric("waking-and-joining-each", start.elapsed().as_nanos() as usize / KTHREADS, "ns");

    let start = Instant::now();
    kthread::trim(0);
    metric("giving-back-each", start.elapsed().as_nanos() as usize / KTHREADS, "ns");
    let left = stacks_bytes().saturating_sub(before);
    assert!(left <= cores * kthread::DEFAULT_STACK, "{left} bytes of stacks are left");
    let mut dump = String::new();
    kthread::dump(&mut dump).expect("a string takes everything");
    assert!(dump.lines().count() < 4 * cores + 10, "{dump}");
    Ok(())
}
