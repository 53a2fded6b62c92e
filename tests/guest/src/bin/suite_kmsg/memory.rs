//! What messages cost in memory, and that it comes back.

use alloc::boxed::Box;
use alloc::string::String;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use guest_tests::spin_until;
use libkern::testing::metric;
use libkern::{cpu, kmsg, kthread, mem};

use crate::target;

/// Bytes of the heap that are in use, or in the cores' own magazines.
fn heap_bytes() -> usize {
    let heap = mem::stats().heap;
    heap.small_bytes - heap.in_depots_bytes + heap.medium_bytes
}

#[libkern::test(ids = ["M16"])]
fn a_hundred_thousand_messages_to_one_core_neither_block_nor_get_lost() {
    static BUSY: AtomicBool = AtomicBool::new(false);
    static SENT: AtomicBool = AtomicBool::new(false);
    static RAN: AtomicUsize = AtomicUsize::new(0);
    const COUNT: usize = 100_000;
    let core = target();
    let before = heap_bytes();
    let busy = (core != cpu::id()).then(|| {
        let hold = || {
            BUSY.store(true, Ordering::Release);
            spin_until("a hundred thousand messages", || SENT.load(Ordering::Acquire));
        };
        let busy = kthread::Builder::new().core(core).spawn(hold).expect("there is memory for a stack");
        spin_until("the core to be busy", || BUSY.load(Ordering::Acquire));
        busy
    });
    for number in 0..COUNT {
        kmsg::send_routine(core, move |_| {
            // In order, and so each once.
            assert_eq!(RAN.fetch_add(1, Ordering::Relaxed), number);
        });
    }
    let grown = heap_bytes() - before;
    assert!(grown >= COUNT * 64, "a message is a cache line, and {COUNT} of them took {grown} bytes");
    SENT.store(true, Ordering::Release);
    if let Some(busy) = busy {
        busy.join();
    }
    kthread::call_set(&cpu::CoreSet::from_iter([core]), |_| kthread::yield_now());
    assert_eq!(RAN.load(Ordering::Relaxed), COUNT);
    let left = heap_bytes().saturating_sub(before);
    metric("message-memory-left", left, "bytes");
    // What messages' caches and the heap's magazines keep is bounded.
    assert!(left < COUNT * 64 / 4, "{left} bytes of {grown} have not come back");
}

/// Something larger than what a message has room for, that counts how many of it there are.
struct Counted {
    filling: [usize; 300],
}

static ALIVE: AtomicUsize = AtomicUsize::new(0);

impl Counted {
    fn new(value: usize) -> Self {
        ALIVE.fetch_add(1, Ordering::Relaxed);
        Self { filling: [value; 300] }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let value = self.filling[0];
        assert!(self.filling.iter().all(|&word| word == value));
        ALIVE.fetch_sub(1, Ordering::Relaxed);
    }
}

#[libkern::test(ids = ["M1"])]
fn what_a_message_holds_is_dropped_once_and_large_ones_leave_no_box_behind() {
    static RAN: AtomicUsize = AtomicUsize::new(0);
    const COUNT: usize = 500;
    // Boxes of this size are not kept in magazines, so their count is exact.
    let objects = || mem::stats().heap.medium_objects;
    let before = objects();
    for core in [cpu::id(), target()] {
        RAN.store(0, Ordering::Relaxed);
        for number in 0..COUNT {
            let large = Counted::new(number);
            let small = Box::new(Counted::new(number));
            let note = |counted: &Counted, number| {
                assert_eq!(counted.filling, [number; 300]);
                RAN.fetch_add(1, Ordering::Relaxed);
            };
            if number % 2 == 0 {
                kmsg::send_routine(core, move |_| note(&large, number));
                kmsg::send_immediate(core, move |_| note(&small, number));
            } else {
                kmsg::send_immediate(core, move |_| note(&large, number));
                kmsg::send_routine(core, move |_| note(&small, number));
            }
        }
        kthread::call_set(&cpu::CoreSet::from_iter([core]), |_| kthread::yield_now());
        assert_eq!(RAN.load(Ordering::Relaxed), 2 * COUNT);
        assert_eq!(ALIVE.load(Ordering::Relaxed), 0, "dropped, each once");
        assert_eq!(objects(), before, "boxes");
    }
}

#[libkern::test]
fn a_dump_lists_the_routine_messages_that_wait() {
    static RAN: AtomicUsize = AtomicUsize::new(0);
    const COUNT: usize = 7;
    fn wait() {
        RAN.fetch_add(1, Ordering::Relaxed);
    }
    for core in [cpu::id(), target()] {
        kthread::call(core, || {
            RAN.store(0, Ordering::Relaxed);
            for sent in 0..COUNT {
                kmsg::send_routine(core, |_| wait());
                if sent == COUNT / 2 {
                    // What has been taken and what has not are listed alike, and stay in order.
                    let mut text = String::new();
                    kmsg::dump(&mut text).expect("a string takes everything");
                }
            }
            let mut text = String::new();
            kmsg::dump(&mut text).expect("a string takes everything");
            assert!(text.contains(&alloc::format!("core {core}: ")), "{text}");
            let listed = text.lines().filter(|line| line.starts_with("  0x")).count();
            assert!(listed >= COUNT, "{text}");
            assert_eq!(RAN.load(Ordering::Relaxed), 0, "a dump runs nothing");
            kthread::yield_now();
            assert_eq!(RAN.load(Ordering::Relaxed), COUNT);
        });
    }
}
