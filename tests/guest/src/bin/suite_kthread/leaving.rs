//! Between two stacks: what is left is left before anybody else can have it.

use core::hint::black_box;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use guest_tests::{Scatter, dawdle, spin_until};
use libkern::arch::core_block;
use libkern::kthread::sync::Semaphore;
use libkern::testing::{Skipped, metric, skip};
use libkern::{cpu, kmsg, kthread};

use crate::{many, other};

#[libkern::test(ids = ["K11"])]
fn taking_what_is_there_switches_to_nobody() {
    static UNITS: Semaphore = Semaphore::new(1);
    let ready = kthread::spawn(|| ());
    let before = kmsg::stats(cpu::id());
    UNITS.down();
    assert_eq!(kmsg::stats(cpu::id()), before, "no message was taken");
    assert!(!ready.is_finished(), "the one that waits for its turn still does");
    assert!(!UNITS.up(), "nobody was there to be woken");
    ready.join();
}

#[libkern::test(ids = ["K14"])]
fn up_says_whether_it_woke_somebody_and_waking_is_not_running() {
    static WAIT: Semaphore = Semaphore::new(0);
    static AWAKE: AtomicUsize = AtomicUsize::new(usize::MAX);
    for core in [cpu::id(), other()] {
        AWAKE.store(usize::MAX, Ordering::Relaxed);
        let sleeper = kthread::spawn(|| {
            WAIT.down();
            AWAKE.store(cpu::id(), Ordering::Relaxed);
        });
        // It is of this core, so it sleeps when this one has its turn again.
        kthread::yield_now();
        assert!(WAIT.up_on(core));
        if core == cpu::id() {
            assert_eq!(AWAKE.load(Ordering::Relaxed), usize::MAX, "it has not had its turn");
        }
        sleeper.join();
        assert_eq!(AWAKE.load(Ordering::Relaxed), core);
    }
    assert!(!WAIT.up());
    assert_eq!(WAIT.available(), 1);
}

/// Overwrites what lies below on the stack, and looks whether it stays.
#[inline(never)]
fn scribble(seed: u64) {
    let mut words = black_box([seed; 256]);
    for (word, add) in words.iter_mut().zip(0..) {
        *word = word.wrapping_add(add);
    }
    dawdle(50);
    assert!(black_box(words).iter().zip(0..).all(|(&word, add)| word == seed.wrapping_add(add)), "a word changed");
}

#[libkern::test(ids = ["K12", "K13"])]
fn a_sleeper_that_is_woken_at_once_elsewhere_has_its_stack_for_itself() -> Result<(), Skipped> {
    static GOING: AtomicUsize = AtomicUsize::new(0);
    static WAIT: Semaphore = Semaphore::new(0);
    static BACK: Semaphore = Semaphore::new(0);
    if cpu::count() == 1 {
        return skip("needs another core");
    }
    let rounds = many(20_000).min(100_000 / cpu::count());
    let (here, there) = (cpu::id(), other());
    let run = move || {
        let mut scatter = Scatter::new(12);
        for round in 1..=rounds {
            scribble(round as u64);
            GOING.store(round, Ordering::Release);
            dawdle(scatter.below(60));
            WAIT.down();
            scribble(!(round as u64));
            // To the other core again, if it was taken from there.
            if cpu::id() == here {
                BACK.down();
                assert_eq!(cpu::id(), there);
            }
        }
    };
    let sleeper = kthread::Builder::new().core(there).spawn(run).expect("memory");
    let mut scatter = Scatter::new(13);
    let mut woken = 0;
    for round in 1..=rounds {
        spin_until("the sleeper", || GOING.load(Ordering::Acquire) == round);
        dawdle(scatter.below(60));
        // Before it sleeps, when it is about to, or when it does: then it goes on here, as soon as this one yields.
        if WAIT.up_on(here) {
            woken += 1;
            kthread::yield_now();
            // It has yielded in turn, by sleeping.
            assert!(BACK.up_on(there));
        }
    }
    sleeper.join();
    metric("woken", format_args!("{:.3}", woken as f64 / rounds as f64), "ratio");
    Ok(())
}

#[libkern::test(ids = ["K7"])]
fn nobody_uses_the_stack_of_a_kthread_that_was_joined() {
    // A size that nobody else uses, so that the pool gives it to nobody else.
    const SIZE: usize = 32 << 10;
    const POISON: u64 = 0xdead_57ac_dead_57ac;
    let rounds = many(10_000).min(40_000 / cpu::count());
    for round in 0..rounds {
        let core = [cpu::id(), other()][round % 2];
        let run = || {
            scribble(1);
            core_block::current_stack()
        };
        let (lo, hi) = kthread::Builder::new().core(core).stack_size(SIZE).spawn(run).expect("memory").join();
        assert_eq!(hi - lo, SIZE);
        let stack = core::ptr::with_exposed_provenance_mut::<u64>(lo);
        let words = SIZE / size_of::<u64>();
        // From the top, where somebody who was about to leave would still be.
        for word in (0..words).rev() {
            // SAFETY: a stack of the pool, mapped, of which nobody has been given anything.
            unsafe { stack.add(word).write_volatile(POISON) };
        }
        if round % 16 == 0 {
            for word in 0..words {
                // SAFETY: as above.
                assert_eq!(unsafe { stack.add(word).read_volatile() }, POISON, "word {word} was changed");
            }
        }
    }
}

#[libkern::test(ids = ["K10"])]
fn a_core_with_nothing_to_go_on_with_idles_on_another_stack() -> Result<(), Skipped> {
    static GO: Semaphore = Semaphore::new(0);
    static ASLEEP: AtomicBool = AtomicBool::new(false);
    if cpu::count() == 1 {
        return skip("needs another core");
    }
    let core = other();
    let run = || {
        ASLEEP.store(true, Ordering::Release);
        GO.down();
        (core_block::current_stack(), cpu::id())
    };
    let sleeper = kthread::Builder::new().core(core).name("sleeper").spawn(run).expect("memory");
    spin_until("it to sleep", || ASLEEP.load(Ordering::Acquire));
    // Whatever that core does now, it does on another stack, as somebody else.
    let id = sleeper.id();
    for _ in 0..20 {
        let (idle, stack) = kthread::call(core, || (kthread::id(), core_block::current_stack()));
        assert_ne!(idle, id);
        let here = &raw const stack as usize;
        assert!(!(stack.0..stack.1).contains(&here));
    }
    assert!(!sleeper.is_finished());
    assert!(GO.up());
    let (_, woken_on) = sleeper.join();
    assert_eq!(woken_on, core, "where it slept");
    Ok(())
}
