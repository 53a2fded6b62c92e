//! What the heap costs, for counting from outside.
//!
//! A region is what runs from the instruction at `bench_begin_NAME` to the one at `bench_end_NAME`. Each region is visited
//! twice, with N operations and with 2N, so that what is not the operation cancels out.

#![no_std]
#![no_main]

extern crate alloc;

use alloc::boxed::Box;
use core::alloc::{GlobalAlloc, Layout};
use core::arch::asm;
use core::hint::{self, black_box};
use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use libkern::arch::qemu;
use libkern::mem::Heap;
use libkern::{cpu, kthread};

/// Defines the two functions that do nothing but have an address.
macro_rules! region {
    ($begin:ident, $end:ident) => {
        #[unsafe(no_mangle)]
        #[inline(never)]
        extern "C" fn $begin() {
            // SAFETY: does nothing. The comment keeps functions that are otherwise alike from being merged into one.
            unsafe { asm!(concat!("nop // ", stringify!($begin)), options(nomem, nostack, preserves_flags)) };
        }
        #[unsafe(no_mangle)]
        #[inline(never)]
        extern "C" fn $end() {
            // SAFETY: as above.
            unsafe { asm!(concat!("nop // ", stringify!($end)), options(nomem, nostack, preserves_flags)) };
        }
    };
}

region!(bench_begin_alloc_free_64, bench_end_alloc_free_64);
region!(bench_begin_storm, bench_end_storm);

const OPERATIONS: usize = 10_000;

#[libkern::main]
fn main() {
    // Once before it counts: magazines are filled, the kernel's own lists are as long as they get.
    alloc_free(black_box(1000));
    storm(black_box(1000));
    for rounds in [OPERATIONS, 2 * OPERATIONS] {
        bench_begin_alloc_free_64();
        alloc_free(black_box(rounds));
        bench_end_alloc_free_64();
    }
    for rounds in [OPERATIONS, 2 * OPERATIONS] {
        bench_begin_storm();
        storm(black_box(rounds));
        bench_end_storm();
    }
    qemu::control(format_args!("metric operations {OPERATIONS} count"));
    qemu::control(format_args!("metric cores {} count", cpu::count()));
}

/// Allocates and frees 64 bytes, of a size that the compiler cannot know.
#[inline(never)]
fn alloc_free(rounds: usize) {
    for _ in 0..rounds {
        let layout = black_box(Layout::new::<[u64; 8]>());
        // SAFETY: the layout has a size, and the object is freed with the layout it was made with.
        unsafe { Heap.dealloc(black_box(Heap.alloc(layout)), layout) };
    }
}

/// How many boxes are under way from one core to the next.
const RING: usize = 64;

/// A ring of boxes from one core to the next: one writes `sent`, the other `received`, neither by a locked instruction.
#[repr(align(64))]
struct Ring {
    boxes: [AtomicPtr<[u64; 8]>; RING],
    sent: Padded,
    received: Padded,
}

#[repr(align(64))]
struct Padded(AtomicUsize);

static RINGS: [Ring; 4] = [const {
    Ring {
        boxes: [const { AtomicPtr::new(ptr::null_mut()) }; RING],
        sent: Padded(AtomicUsize::new(0)),
        received: Padded(AtomicUsize::new(0)),
    }
}; 4];

/// On each core: allocate, pass on to the next core, and free what came from the one before.
#[inline(never)]
fn storm(rounds: usize) {
    let cores = cpu::count().min(RINGS.len());
    kthread::call_all(|core| {
        if core >= cores {
            return;
        }
        let (out, inward) = (&RINGS[core], &RINGS[(core + cores - 1) % cores]);
        let (mut sent, mut received) = (0, 0);
        while sent < rounds || received < rounds {
            let before = (sent, received);
            let at = out.sent.0.load(Ordering::Relaxed);
            if sent < rounds && at - out.received.0.load(Ordering::Acquire) < RING {
                let letter = Box::into_raw(Box::new(black_box([at as u64; 8])));
                out.boxes[at % RING].store(letter, Ordering::Relaxed);
                out.sent.0.store(at + 1, Ordering::Release);
                sent += 1;
            }
            let at = inward.received.0.load(Ordering::Relaxed);
            if received < rounds && at != inward.sent.0.load(Ordering::Acquire) {
                let letter = inward.boxes[at % RING].load(Ordering::Relaxed);
                // SAFETY: the sender made it of a box, and whoever counts it as received owns it.
                drop(unsafe { Box::from_raw(letter) });
                inward.received.0.store(at + 1, Ordering::Release);
                received += 1;
            }
            if (sent, received) == before {
                // Emulated cores take turns on one host thread: this one's is over.
                hint::spin_loop();
            }
        }
    });
}
