//! Spawning: what a kthread is given, and what it gives back.

use alloc::string::ToString;
use alloc::vec::Vec;
use core::time::Duration;

use libkern::arch::core_block;
use libkern::kthread::sync::Semaphore;
use libkern::sync::SpinLock;
use libkern::time::Instant;
use libkern::{cpu, kmsg, kthread};

use crate::{many, other};

#[libkern::test]
fn results_of_every_size_come_back() {
    #[derive(Debug, PartialEq)]
    #[repr(align(128))]
    struct Aligned(u8);
    for core in [cpu::id(), other()] {
        let builder = || kthread::Builder::new().core(core);
        let number = 7_u64;
        builder().spawn(|| ()).expect("memory").join();
        assert_eq!(builder().spawn(move || number * 6).expect("memory").join(), 42);
        let aligned = builder().spawn(|| Aligned(3)).expect("memory").join();
        assert!(aligned == Aligned(3) && (&raw const aligned).addr().is_multiple_of(128));
        // More than lies on the stack's top: result, closure, both.
        let large = [number; 1_000];
        assert_eq!(builder().spawn(move || [number; 1_000]).expect("memory").join(), large);
        assert_eq!(builder().spawn(move || large[999]).expect("memory").join(), number);
        assert_eq!(builder().spawn(move || large).expect("memory").join(), large);
        let strings = builder().spawn(|| (0..9).map(|n: u8| n.to_string()).collect::<Vec<_>>()).expect("memory");
        assert_eq!(strings.join().concat(), "012345678");
    }
}

#[libkern::test]
fn a_kthread_starts_on_the_core_named_and_otherwise_here() {
    for core in 0..cpu::count().min(8) {
        assert_eq!(kthread::Builder::new().core(core).spawn(cpu::id).expect("memory").join(), core);
        assert_eq!(kthread::call(core, || kthread::spawn(cpu::id).join()), core);
    }
}

#[libkern::test]
fn each_has_a_number_and_the_name_it_was_given() {
    let unnamed = kthread::spawn(|| (kthread::id(), kthread::current_description().to_string()));
    let id = unnamed.id();
    assert_eq!(unnamed.join(), (id, alloc::format!("kthread {id}")));
    let describe = || kthread::current_description().to_string();
    let named = |name: &str| kthread::Builder::new().name(name).spawn(describe).expect("memory").join();
    assert_eq!(named("washer-up"), "washer-up");
    // What is too long is cut, between characters.
    assert_eq!(named("abcdefghijklmnopqrstuvwxyz"), "abcdefghijklmnopqrstuvw");
    assert_eq!(named("aäääääääääääääääääää"), "aäääääääääää");
    assert_eq!(describe(), "main");
    let ids: Vec<u64> = (0..10).map(|_| kthread::spawn(kthread::id)).map(kthread::JoinHandle::join).collect();
    assert!(!ids.contains(&kthread::id()), "{ids:?}");
    let together: Vec<_> = (0..10).map(|_| kthread::spawn(kthread::id)).collect();
    let mut ids: Vec<u64> = together.into_iter().map(kthread::JoinHandle::join).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 10, "at one time, no two have one number");
}

#[libkern::test]
fn stacks_have_at_least_the_size_asked_for() {
    let len_of = |bytes: usize| {
        let measure = || {
            let (lo, hi) = core_block::current_stack();
            // Most of it can be used.
            use_stack(lo + 4096);
            hi - lo
        };
        kthread::Builder::new().stack_size(bytes).spawn(measure).map(kthread::JoinHandle::join)
    };
    for (asked, given) in [
        (0, kthread::MIN_STACK),
        (kthread::MIN_STACK + 1, 2 * kthread::MIN_STACK),
        (100 << 10, 128 << 10),
        (1 << 20, 1 << 20),
    ] {
        assert_eq!(len_of(asked.max(kthread::MIN_STACK)), Ok(given), "{asked} asked for");
    }
    assert_eq!(
        kthread::spawn(|| core_block::current_stack().1 - core_block::current_stack().0).join(),
        kthread::DEFAULT_STACK
    );
    let too_large = kthread::Builder::new().stack_size(kthread::MAX_STACK + 1).spawn(|| ()).map(drop);
    assert_eq!(too_large, Err(kthread::SpawnError::StackTooLarge));
}

/// Uses the stack down to `end`, but for a call or two.
#[inline(never)]
fn use_stack(end: usize) {
    let filling = core::hint::black_box([1_u8; 256]);
    if (&raw const filling).addr() > end {
        use_stack(end);
    }
    assert_eq!(core::hint::black_box(filling)[255], 1);
}

#[libkern::test]
fn spawning_works_in_interrupts_and_under_locks() {
    static LOCK: SpinLock<()> = SpinLock::new("held while spawning", ());
    static DONE: Semaphore = Semaphore::new(0);
    let spawn = |core| {
        let done = || {
            DONE.up();
        };
        drop(kthread::Builder::new().core(core).spawn(done).expect("memory"));
    };
    for core in [cpu::id(), other()] {
        kmsg::send_immediate(core, move |_| spawn(core));
        kmsg::send_immediate(core, move |_| spawn(0));
        let held = LOCK.lock();
        spawn(core);
        drop(held);
        DONE.down_many(3);
    }
}

#[libkern::test]
fn joining_waits_and_may_be_given_up() {
    static GO: Semaphore = Semaphore::new(0);
    for core in [cpu::id(), other()] {
        let slow = kthread::Builder::new().core(core).spawn(|| GO.down()).expect("memory");
        assert!(!slow.is_finished());
        let slow = slow.join_until(Instant::now() + Duration::from_millis(2)).expect_err("it waits for us");
        // A moment that has passed.
        let slow = slow.join_until(Instant::now()).expect_err("it waits for us");
        GO.up();
        let patient = Instant::now() + Duration::from_secs(30);
        slow.join_until(patient).expect("it has ended by then");
        // One that has ended long ago.
        let quick = kthread::Builder::new().core(core).spawn(|| 5).expect("memory");
        while !quick.is_finished() {
            kthread::yield_now();
        }
        assert_eq!(quick.join_until(Instant::now()).expect("it has ended"), 5);
    }
}

#[libkern::test]
fn a_request_to_abort_is_not_inherited_by_who_gets_the_stack_next() {
    // A size that nobody else uses, so that the pool gives the same one again.
    const SIZE: usize = 256 << 10;
    static NEVER: Semaphore = Semaphore::new(0);
    let first = kthread::Builder::new().stack_size(SIZE).spawn(kthread::id).expect("memory");
    let id = first.id();
    first.abort();
    first.join();
    let next = || (kthread::id(), NEVER.down_abortable_until(Instant::now() + Duration::from_millis(1)));
    let (again, result) = kthread::Builder::new().stack_size(SIZE).spawn(next).expect("memory").join();
    assert_eq!(again, id, "the one from the pool");
    assert_eq!(result, Err(kthread::sync::Interrupted::TimedOut));
}

#[libkern::test]
fn kthreads_come_and_go_on_all_cores_at_once() {
    let cores = cpu::count().min(8);
    let each = many(2_000).min(16_000 / cpu::count());
    kthread::call_set(&(0..cores).collect(), |core| {
        for round in 0..each {
            // Across to the next core and back, or here.
            let there = if round % 2 == 0 { core } else { (core + 1) % cores };
            let handle = kthread::Builder::new().core(there).spawn(move || round * 3).expect("memory");
            if round % 3 == 0 {
                drop(handle);
            } else {
                assert_eq!(handle.join(), round * 3);
            }
        }
    });
}
