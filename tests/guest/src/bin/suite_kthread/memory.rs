//! Suspending and resuming cost no memory.

use alloc::string::String;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;

use libkern::kthread::sync::Semaphore;
use libkern::mem::{self, FrameUse};
use libkern::{cpu, kmsg, kthread};

use crate::{many, other};

/// What is in use: bytes of frames by use, objects of the heap.
fn in_use() -> (usize, usize, usize, usize) {
    let stats = mem::stats();
    let frames = stats.total_bytes - stats.free_bytes;
    (frames, stats.used(FrameUse::KernelStacks), stats.heap.small_objects, stats.heap.medium_objects)
}

/// The same, once other cores have done what they were at: when it has not changed for ten milliseconds.
fn settled() -> (usize, usize, usize, usize) {
    let mut found = in_use();
    loop {
        kthread::sleep(Duration::from_millis(10));
        let now = in_use();
        if now == found {
            return found;
        }
        found = now;
    }
}

#[libkern::test(ids = ["K9"])]
fn blocking_and_waking_are_neutral_in_memory() {
    static PING: Semaphore = Semaphore::new(0);
    static PONG: Semaphore = Semaphore::new(0);
    static STOP: AtomicBool = AtomicBool::new(false);
    for core in [cpu::id(), other()] {
        let rounds = if core == cpu::id() { many(100_000) } else { many(20_000).min(40_000 / cpu::count()) };
        STOP.store(false, Ordering::Relaxed);
        let answer = || {
            loop {
                PING.down();
                if STOP.load(Ordering::Relaxed) {
                    return;
                }
                PONG.up();
            }
        };
        let partner = kthread::Builder::new().core(core).spawn(answer).expect("memory");
        let exchange = |rounds| {
            for _ in 0..rounds {
                PING.up();
                PONG.down();
                // And by way of the idle loop.
                kthread::yield_now();
            }
        };
        // Both cores have a spare then. Others may still be giving back what cases before this one took.
        exchange(100);
        let before = settled();
        exchange(rounds);
        assert_eq!(settled(), before, "frames, of these stacks, small and larger objects of the heap");
        STOP.store(true, Ordering::Relaxed);
        PING.up();
        partner.join();
    }
}

#[libkern::test(ids = ["K9"])]
fn spawning_and_joining_again_and_again_takes_what_one_takes() {
    let spawn = |rounds| {
        for round in 0..rounds {
            for core in [cpu::id(), other()] {
                let handle = kthread::Builder::new().core(core).spawn(move || round).expect("memory");
                assert_eq!(handle.join(), round);
            }
        }
    };
    spawn(50);
    // Other cores may be giving back what the pool has too much of. And a join returns before the core has left the stack.
    kthread::trim(0);
    spawn(50);
    let before = settled();
    spawn(many(5_000).min(20_000 / cpu::count()));
    assert_eq!(settled(), before);
}

/// How many lines of a dump of all kthreads end like this.
fn count_in_dump(dump: &str, end: &str) -> usize {
    dump.lines().filter(|line| line.ends_with(end)).count()
}

#[libkern::test(ids = ["K8"])]
fn a_core_keeps_one_spare_at_most() {
    static GO: Semaphore = Semaphore::new(0);
    static ASLEEP: Semaphore = Semaphore::new(0);
    const SLEEPERS: usize = 10;
    let cores = cpu::count().min(8);
    // Handlers that block use spares up, and their ends make some: ten at a time on a core, and elsewhere again.
    for round in 0..5 {
        for core in 0..cores {
            for _ in 0..SLEEPERS {
                kmsg::send_routine(core, |_| {
                    ASLEEP.up();
                    GO.down();
                });
            }
        }
        ASLEEP.down_many(cores * SLEEPERS);
        for sleeper in 0..cores * SLEEPERS {
            GO.up_on((sleeper * 7 + round) % cores);
        }
        kthread::call_set(&(0..cores).collect(), |_| kthread::yield_now());
    }
    let mut dump = String::new();
    kthread::dump(&mut dump).expect("a string takes everything");
    for core in 0..cores {
        let spares = count_in_dump(&dump, &alloc::format!("is the spare of core {core}"));
        assert!(spares <= 1, "core {core} keeps {spares}:\n{dump}");
        let running = count_in_dump(&dump, &alloc::format!("on core {core}"));
        assert!(running >= 1, "core {core} runs something:\n{dump}");
    }
}

#[libkern::test(ids = ["K9"])]
fn what_many_sleepers_took_is_given_back_when_they_are_gone() {
    static GO: Semaphore = Semaphore::new(0);
    const SIZE: usize = 16 << 10;
    const SLEEPERS: usize = 400;
    kthread::trim(0);
    let before = in_use();
    let handles: Vec<_> = (0..SLEEPERS)
        .map(|n| {
            let core = n % cpu::count();
            kthread::Builder::new().core(core).stack_size(SIZE).spawn(|| GO.down()).expect("memory")
        })
        .collect();
    let grown = in_use().1 - before.1;
    assert!(grown >= SLEEPERS * SIZE, "{grown} bytes for {SLEEPERS} stacks");
    GO.up_many(SLEEPERS);
    handles.into_iter().for_each(kthread::JoinHandle::join);
    kthread::trim(0);
    let left = settled().1.saturating_sub(before.1);
    // A spare of each core, at most.
    assert!(left <= cpu::count() * kthread::DEFAULT_STACK, "{left} bytes of stacks are left of {grown}");
}
