//! What is interrupted on its way to sleep, and by what.

use alloc::string::String;
use core::hint::black_box;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use core::time::Duration;

use libkern::kthread::sync::{Mutex, Semaphore};
use libkern::mem::{self, FrameUse};
use libkern::testing::Skipped;
use libkern::{kmsg, kthread};

use crate::sweep::{Swept, sweep};

/// What must be as it was: the running kthread, its stack, memory.
#[derive(Debug, PartialEq)]
struct State {
    kthread: u64,
    stack: (usize, usize),
    stacks_bytes: usize,
    objects: usize,
    spares: usize,
}

impl State {
    fn now() -> Self {
        let mut dump = String::with_capacity(4096);
        kthread::dump(&mut dump).expect("a string takes everything");
        let spares = dump.lines().filter(|line| line.contains("is the spare of core")).count();
        let stats = mem::stats();
        Self {
            kthread: kthread::id(),
            stack: libkern::arch::core_block::current_stack(),
            stacks_bytes: stats.used(FrameUse::KernelStacks),
            objects: stats.heap.small_objects,
            spares,
        }
    }
}

/// Runs a sweep, and looks whether everything is as before it. (Before is after another one, by which there is a spare, and
/// caches hold what they will.)
fn sweep_unchanged(name: &str, act: fn(), sleep: impl Fn(u64)) -> Result<Swept, Skipped> {
    let sleep = |round| {
        let words: [u64; 24] = core::array::from_fn(|n| black_box(round) * 31 + n as u64);
        sleep(round);
        assert!(words.iter().enumerate().all(|(n, &word)| word == round * 31 + n as u64), "{words:?} in round {round}");
    };
    // The way to the halt leads through a poll, too.
    kthread::set_idle_poll(Duration::from_nanos(200));
    sweep(name, act, sleep)?;
    let before = State::now();
    let swept = sweep(name, act, sleep)?;
    assert_eq!(State::now(), before);
    kthread::set_idle_poll(Duration::ZERO);
    Ok(swept)
}

/// A sweep is without gaps by its own check; here, that it was of something.
fn is_long(swept: &Swept) {
    assert!(swept.instructions > 400 && swept.addresses > 100, "{swept:?}");
}

#[libkern::test(ids = ["K6", "K11", "K12", "M11", "M14"])]
fn what_is_waited_for_may_come_by_an_interrupt_at_any_instruction() -> Result<(), Skipped> {
    static UNITS: Semaphore = Semaphore::new(0);
    static WOKE: AtomicUsize = AtomicUsize::new(0);
    let rounds = AtomicUsize::new(0);
    let swept = sweep_unchanged(
        "semaphore",
        || {
            WOKE.fetch_add(usize::from(UNITS.up()), Ordering::Relaxed);
            UNITS.up();
        },
        |_| {
            // Two wait in line, one after the other: the second goes to sleep where the first has been.
            let other = kthread::spawn(|| UNITS.down());
            UNITS.down();
            other.join();
            rounds.fetch_add(1, Ordering::Relaxed);
        },
    )?;
    let (woke, rounds) = (WOKE.load(Ordering::Relaxed), rounds.load(Ordering::Relaxed));
    // Before the sleep, in the middle, and after it.
    assert!(woke > 30 && rounds - woke > 10, "{woke} of {rounds} woke a sleeper");
    is_long(&swept);
    assert_eq!(UNITS.available(), 0);
    Ok(())
}

#[libkern::test(ids = ["K6", "M11", "M14"])]
fn a_message_may_come_by_an_interrupt_at_any_instruction_of_the_way_to_the_halt() -> Result<(), Skipped> {
    static UNITS: Semaphore = Semaphore::new(0);
    static HANDLED: AtomicU64 = AtomicU64::new(0);
    let act = || {
        kmsg::send_immediate(0, |_| {
            // A message from a message, and it has to be seen before the halt, too.
            kmsg::send_routine(0, |_| {
                UNITS.up();
            });
        });
    };
    let swept = sweep_unchanged("message", act, |round| {
        // The core has one of its own to run on its way, and is halted after it.
        kmsg::send_routine(0, move |_| {
            HANDLED.fetch_add(round + 1, Ordering::Relaxed);
        });
        UNITS.down();
        assert_eq!(HANDLED.swap(0, Ordering::Relaxed), round + 1);
    })?;
    is_long(&swept);
    Ok(())
}

#[libkern::test(ids = ["K6", "K10"])]
fn a_kthread_may_end_and_be_joined_with_an_interrupt_at_any_instruction() -> Result<(), Skipped> {
    static UNITS: Semaphore = Semaphore::new(0);
    let act = || {
        UNITS.up();
    };
    let swept = sweep_unchanged("join", act, |round| {
        // It ends before, while, or after it is joined, or sleeps in turn.
        let other = kthread::spawn(move || {
            UNITS.down();
            round
        });
        assert_eq!(other.join(), round);
    })?;
    is_long(&swept);
    Ok(())
}

#[libkern::test(ids = ["K6"])]
fn kthreads_may_yield_to_each_other_with_an_interrupt_at_any_instruction() -> Result<(), Skipped> {
    static UNITS: Semaphore = Semaphore::new(0);
    static LAPS: AtomicUsize = AtomicUsize::new(0);
    let act = || {
        UNITS.up();
        kmsg::send_routine(0, |_| {
            LAPS.fetch_add(1, Ordering::Relaxed);
        });
    };
    let swept = sweep_unchanged("yield", act, |_| {
        let other = kthread::spawn(|| (0..3).for_each(|_| kthread::yield_now()));
        (0..3).for_each(|_| kthread::yield_now());
        UNITS.down();
        other.join();
    })?;
    is_long(&swept);
    Ok(())
}

#[libkern::test(ids = ["K6"])]
fn a_mutex_may_change_hands_with_an_interrupt_at_any_instruction() -> Result<(), Skipped> {
    static UNITS: Semaphore = Semaphore::new(0);
    static MUTEX: Mutex<u64> = Mutex::new(0);
    let act = || {
        UNITS.up();
    };
    let swept = sweep_unchanged("mutex", act, |_| {
        let before = *MUTEX.lock();
        let other = kthread::spawn(|| {
            let mut held = MUTEX.lock();
            UNITS.down();
            *held += 1;
        });
        kthread::yield_now();
        let mut held = MUTEX.lock();
        *held += 1;
        assert_eq!(*held, before + 2);
        drop(held);
        other.join();
    })?;
    is_long(&swept);
    Ok(())
}
