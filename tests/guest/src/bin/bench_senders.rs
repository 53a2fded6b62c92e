//! What messages cost when several cores send to one, for counting from outside: a queue that many write must not cost
//! each of them more.

#![no_std]
#![no_main]

mod regions;

use core::hint;
use core::sync::atomic::{AtomicUsize, Ordering};

use libkern::cpu::{self, CoreSet};
use libkern::{kmsg, kthread};

use regions::measure;

#[libkern::main]
fn main() {
    measure!(senders, 8_000, senders);
}

/// How many messages a core sends at a time.
const BATCH: usize = 16;

static RECEIVED: AtomicUsize = AtomicUsize::new(0);

/// All cores but this one send to it, together `n` messages.
fn senders(n: usize) {
    RECEIVED.store(0, Ordering::Relaxed);
    let mut others = CoreSet::all();
    others.remove(cpu::id());
    let each = n / others.len();
    kthread::call_set(&others, |_| {
        for sent in 1..=each {
            kmsg::send_routine(0, |_| {
                // Only this core writes it.
                RECEIVED.store(RECEIVED.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
            });
            if sent % BATCH == 0 {
                // Emulated cores take turns on one host thread: this one's is over.
                hint::spin_loop();
            }
        }
    });
    // What a core sent came before its word that it is done.
    assert_eq!(RECEIVED.load(Ordering::Relaxed), each * others.len());
}
