//! What the suites share: waiting that fails instead of hanging, and numbers that are no constants.

#![no_std]

extern crate alloc;

pub mod hostile;
mod raw_timer;

pub use raw_timer::RawTimer;

use core::sync::atomic::{AtomicU64, Ordering};

use libkern::arch::{clock, core_block, irq, relax};
use libkern::kthread::sync::Semaphore;
use libkern::{cpu, kmsg, kthread};

/// How long anything may take that a suite waits for, in nanoseconds. Less than the host's patience with a case, so that
/// the case itself says what did not happen.
const PATIENCE_NS: u64 = 40_000_000_000;

/// Spins until `done`. For what other cores or interrupts bring about; nothing else of this core runs meanwhile.
///
/// # Panics
/// If it takes longer than anybody will wait; `what` was waited for.
#[track_caller]
pub fn spin_until(what: &str, done: impl Fn() -> bool) {
    wait(what, done, relax);
}

/// Yields until `done`. For what this core's other kthreads and messages bring about.
///
/// # Panics
/// As [`spin_until`].
#[track_caller]
pub fn yield_until(what: &str, done: impl Fn() -> bool) {
    wait(what, done, || {
        kthread::yield_now();
        relax();
    });
}

#[track_caller]
fn wait(what: &str, done: impl Fn() -> bool, meanwhile: impl Fn()) {
    let start = clock::now_ns();
    while !done() {
        assert!(clock::now_ns() - start < PATIENCE_NS, "waited too long for {what}");
        meanwhile();
    }
}

/// Spins for a time in nanoseconds.
pub fn spin_for(ns: u64) {
    let start = clock::now_ns();
    while clock::now_ns() - start < ns {
        relax();
    }
}

/// Does nothing, for a time in steps of some instructions: shorter than what a clock's reading takes.
pub fn dawdle(steps: u64) {
    for step in 0..steps {
        core::hint::black_box(step);
    }
}

/// Runs `f` with interrupts off, and no value to vouch for it, as interrupt handlers do.
pub fn with_interrupts_off<R>(f: impl FnOnce() -> R) -> R {
    let flags = irq::save_and_disable();
    let result = f();
    // SAFETY: the innermost.
    unsafe { irq::restore(flags) };
    result
}

/// Whether this runs on the interrupt stack of its core.
#[must_use]
pub fn is_on_interrupt_stack() -> bool {
    let here = 0_u8;
    let (lo, hi) = core_block::interrupt_stack();
    (lo..hi).contains(&core::hint::black_box(&raw const here).addr())
}

/// Numbers that scatter: an xorshift generator.
#[derive(Clone, Debug)]
pub struct Scatter(u64);

impl Scatter {
    /// A sequence of its own for each `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// The next one, below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

/// Sends `count` routine messages to `core`, another one, each at about the moment at which it halts after the one before:
/// earlier and earlier while they find it asleep, later and later while they do not. How many had to interrupt it.
///
/// # Panics
/// If one gets lost.
pub fn send_as_it_halts(core: usize, count: u64) -> u64 {
    static RAN: AtomicU64 = AtomicU64::new(0);
    /// What the receiver does after it has told, so that the sender has time to be early.
    const REST: u64 = 200;
    let sent = || kmsg::stats(cpu::id()).interrupts_sent;
    let (first, mut before) = (sent(), sent());
    let mut scatter = Scatter::new(count);
    let mut steps = REST;
    RAN.store(0, Ordering::Relaxed);
    for number in 1..=count {
        kmsg::send_routine(core, move |_| {
            assert_eq!(RAN.swap(number, Ordering::Release), number - 1, "once, and in order");
            dawdle(REST);
        });
        let now = sent();
        steps = if now > before { steps.saturating_sub(8) } else { steps + 8 };
        before = now;
        // Without `pause`, for which an emulator leaves the guest and takes a lock that the other's wake-up needs.
        wait("a message to a core that halts", || RAN.load(Ordering::Acquire) == number, || dawdle(4));
        dawdle(steps + scatter.below(64));
    }
    before - first
}

/// This core and `core`, another one, send each other `rounds` messages in turn, and halt in between. How many had to
/// interrupt the other.
pub fn wake_in_turn(core: usize, rounds: u64) -> u64 {
    static DONE: Semaphore = Semaphore::new(0);
    fn bounce(from: usize, to: usize, rest: u64) {
        if rest == 0 {
            DONE.up();
        } else {
            kmsg::send_routine(to, move |_| bounce(to, from, rest - 1));
        }
    }
    let here = cpu::id();
    let sent = || [here, core].map(|core| kmsg::stats(core).interrupts_sent).iter().sum::<u64>();
    let before = sent();
    kmsg::send_routine(core, move |_| bounce(core, here, 2 * rounds - 1));
    DONE.down();
    sent() - before
}
