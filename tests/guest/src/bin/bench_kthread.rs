//! What kthreads, messages to oneself, and what kthreads sleep on cost on one core, for counting from outside.
//! `tests/peer/one_core.c` does the same on Linux.

#![no_std]
#![no_main]

mod regions;

use core::hint::black_box;
use core::sync::atomic::{AtomicUsize, Ordering};
use core::time::Duration;

use libkern::arch::qemu;
use libkern::kmsg;
use libkern::kthread::sync::channel::bounded;
use libkern::kthread::sync::{Mutex, Semaphore};
use libkern::kthread::{self, spawn, yield_now};
use libkern::time::Instant;

use regions::measure;

#[libkern::main]
fn main() {
    measure!(semaphore_ping_pong, 2_000, semaphore_ping_pong);
    measure!(yield_now, 2_000, yields);
    measure!(thread, 2_000, threads);
    measure!(semaphore, 2_000, semaphore);
    measure!(mutex, 2_000, mutex);
    measure!(clock, 2_000, clock);
    measure!(message, 2_000, messages::<1>);
    measure!(message_16, 3_200, messages::<16>);
    measure!(immediate, 2_000, immediates);
    measure!(channel, 2_000, channel);
    qemu::control(format_args!("metric sleep_late {} ns", sleep_late()));
}

static PING: Semaphore = Semaphore::new(0);
static PONG: Semaphore = Semaphore::new(0);

/// Two kthreads hand a token to and fro. An operation is one way: up, block, go on with the other.
fn semaphore_ping_pong(n: usize) {
    let partner = spawn(move || {
        for _ in 0..n / 2 {
            PING.down();
            PONG.up();
        }
    });
    for _ in 0..n / 2 {
        PING.up();
        PONG.down();
    }
    partner.join();
}

/// Two kthreads yield to each other.
fn yields(n: usize) {
    let partner = spawn(move || (0..n / 2).for_each(|_| yield_now()));
    (0..n / 2).for_each(|_| yield_now());
    partner.join();
}

fn threads(n: usize) {
    for value in 0..n {
        assert_eq!(spawn(move || value).join(), value);
    }
}

static ALONE: Semaphore = Semaphore::new(1);

fn semaphore(n: usize) {
    for _ in 0..n {
        ALONE.down();
        ALONE.up();
    }
}

static LOCK: Mutex<()> = Mutex::new(());

fn mutex(n: usize) {
    for _ in 0..n {
        drop(LOCK.lock());
    }
}

fn clock(n: usize) {
    for _ in 0..n {
        black_box(Instant::now());
    }
}

static LEFT: AtomicUsize = AtomicUsize::new(0);
static DONE: Semaphore = Semaphore::new(0);

/// Routine messages of this core to itself, in batches: the last of each sends the next.
fn messages<const BATCH: usize>(n: usize) {
    LEFT.store(n / BATCH, Ordering::Relaxed);
    next_batch::<BATCH>();
    DONE.down();
}

fn next_batch<const BATCH: usize>() {
    // Only this core writes it.
    let left = LEFT.load(Ordering::Relaxed);
    if left == 0 {
        DONE.up();
        return;
    }
    LEFT.store(left - 1, Ordering::Relaxed);
    for _ in 1..BATCH {
        kmsg::send_routine(0, |_| {
            black_box(0);
        });
    }
    kmsg::send_routine(0, |_| next_batch::<BATCH>());
}

/// Immediate messages of this core to itself, each interrupt included.
fn immediates(n: usize) {
    for i in 0..n {
        kmsg::send_immediate(0, move |_| LEFT.store(i, Ordering::Relaxed));
    }
    assert_eq!(LEFT.load(Ordering::Relaxed), n - 1, "an immediate message to oneself is done when it is sent");
}

/// Words from one kthread to another through a channel that holds 64.
fn channel(n: usize) {
    let (sender, receiver) = bounded(64);
    let partner = spawn(move || (0..n).for_each(|i| assert_eq!(receiver.recv(), Ok(i))));
    for i in 0..n {
        sender.send(i).expect("the receiver takes all");
    }
    partner.join();
}

/// How late a sleeper runs again, in nanoseconds, each of which is an instruction where the clock counts those.
fn sleep_late() -> u128 {
    let mut late = [0; 101];
    for late in &mut late {
        let deadline = Instant::now() + Duration::from_millis(1);
        kthread::sleep_until(deadline);
        *late = deadline.elapsed().as_nanos();
    }
    late.sort_unstable();
    late[late.len() / 2]
}
