//! Kernel messages of one's own.
//!
//! 1. A counter that every core has a part of: adding costs nobody a shared cache line, and the sum is asked for by an
//!    immediate message to all cores.
//! 2. A pipeline whose stages are cores, each handing on by a routine message.
//! 3. A handler that does not return, and what was queued behind it.

#![no_std]
#![no_main]

extern crate alloc;

use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use libkern::cpu::CoreSet;
use libkern::kmsg::{self, Routine};
use libkern::kthread::sync::Completion;
use libkern::sync::per_core;
use libkern::time::Instant;
use libkern::{cpu, kthread, println};

#[libkern::main]
fn main() {
    println!("{} cores", cpu::count());
    count();
    pipeline();
    no_return();
    for core in 0..cpu::count() {
        let stats = kmsg::stats(core);
        println!(
            "core {core}: {} sent, {} received, {} interrupts sent, {} saved, longest wait {:?}",
            stats.sent, stats.received, stats.interrupts_sent, stats.interrupts_saved, stats.longest_wait
        );
    }
}

// A distributed counter.

per_core! {
    static EVENTS: AtomicU64 = AtomicU64::new(0);
}

/// Counts an event, on this core's part of the counter.
fn count_event() {
    // Relaxed: this core's own, and read by whoever sums when this core runs its message.
    EVENTS.on(cpu::id()).fetch_add(1, Ordering::Relaxed);
}

/// Sums all parts: an immediate message has each core add its own, wherever it is in what it does.
fn sum_events() -> u64 {
    let sum = AtomicU64::new(0);
    kthread::interrupt_set(&CoreSet::all(), |core| {
        sum.fetch_add(EVENTS.on(core).load(Ordering::Relaxed), Ordering::Relaxed);
    });
    sum.into_inner()
}

fn count() {
    const PER_CORE: u64 = 100_000;
    kthread::call_all(|_| (0..PER_CORE).for_each(|_| count_event()));
    let begun = Instant::now();
    let sum = sum_events();
    println!("counter: {sum} events on {} cores, summed in {:?}", cpu::count(), begun.elapsed());
    assert_eq!(sum, PER_CORE * cpu::count() as u64);
}

// A pipeline.

const ITEMS: usize = 10_000;

static ARRIVED: AtomicUsize = AtomicUsize::new(0);
static ALL_ARRIVED: Completion = Completion::new();

/// What each stage does with an item: its part of the work, and on to the next core.
fn stage(item: u64, core: usize) {
    let item = item.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(core as u64);
    if core + 1 < cpu::count() {
        kmsg::send_routine(core + 1, move |_| stage(item, core + 1));
    } else if ARRIVED.fetch_add(1, Ordering::AcqRel) + 1 == ITEMS {
        ALL_ARRIVED.complete();
    }
}

fn pipeline() {
    let begun = Instant::now();
    for item in 0..ITEMS as u64 {
        kmsg::send_routine(0, move |_| stage(item, 0));
    }
    ALL_ARRIVED.wait();
    let took = begun.elapsed();
    let hops = ITEMS * cpu::count();
    println!(
        "pipeline: {ITEMS} items through {} stages in {took:?}, {} ns a hop",
        cpu::count(),
        took.as_nanos() / hops as u128
    );
}

// A message that does not return.

fn no_return() {
    static BEHIND: Completion = Completion::new();
    let core = cpu::count() - 1;
    kmsg::send_routine(core, |message: Routine| {
        println!("a handler gives up its stack instead of returning");
        kthread::finish(message)
    });
    kmsg::send_routine(core, |_| BEHIND.complete());
    BEHIND.wait();
    println!("and what was queued behind it has run");
}
