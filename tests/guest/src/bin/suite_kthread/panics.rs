//! A kthread that panics may end alone.

use alloc::string::String;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use core::time::Duration;

use guest_tests::yield_until;
use libkern::kthread::sync::{Mutex, Semaphore};
use libkern::kthread::{Builder, DEFAULT_STACK};
use libkern::{cpu, kthread};

use crate::other;

static DROPPED: AtomicUsize = AtomicUsize::new(0);

struct Counted;

impl Drop for Counted {
    fn drop(&mut self) {
        DROPPED.fetch_add(1, Ordering::Relaxed);
    }
}

#[inline(never)]
fn fail(depth: usize) -> usize {
    let _kept = Counted;
    if depth == 0 { panic!("expected, in core {}", cpu::id()) } else { fail(depth - 1) + 1 }
}

/// A kthread whose stack is of a size of its own: those that are lost here are not, by way of the pool, the stacks on which
/// cores started, which another case waits to see given back.
fn one_of_odd_size() -> Builder<'static> {
    Builder::new().stack_size(2 * DEFAULT_STACK)
}

#[libkern::test]
fn a_panic_of_a_contained_kthread_is_told_to_who_joins_it_and_to_nobody_else() {
    static GO: Semaphore = Semaphore::new(0);
    for core in [cpu::id(), other()] {
        let dropped = DROPPED.load(Ordering::Relaxed);
        let others: Vec<_> = (0..3)
            .map(|n| {
                let run = move || {
                    GO.down();
                    n
                };
                Builder::new().core(core).spawn_contained(run).expect("memory")
            })
            .collect();
        let failing = one_of_odd_size().name("failing").core(core).spawn_contained(|| fail(3)).expect("memory");
        yield_until("the panic", || failing.is_finished());
        let id = failing.id();
        let error = failing.join().expect_err("it panicked");
        assert_eq!(error.message(), alloc::format!("expected, in core {core}"));
        assert_eq!(DROPPED.load(Ordering::Relaxed), dropped, "what is on its stack stays there");
        // It is there to be seen, once it sleeps, and the core goes on.
        yield_until("who panicked to sleep for ever", || {
            let mut dump = String::new();
            kthread::dump(&mut dump).expect("a string takes everything");
            let line = dump.lines().find(|line| line.starts_with(&alloc::format!("kthread {id} ")));
            line.is_some_and(|line| line.contains("`failing`") && line.contains("it panicked"))
        });
        assert_eq!(kthread::call(core, cpu::id), core);
        assert_eq!(GO.up_many(3), 3);
        for (n, other) in others.into_iter().enumerate() {
            assert_eq!(other.join(), Ok(n));
        }
    }
}

#[libkern::test]
fn what_others_use_of_a_stack_stays_when_its_kthread_has_panicked() {
    static SEEN: Semaphore = Semaphore::new(0);
    static GO: AtomicBool = AtomicBool::new(false);
    GO.store(false, Ordering::Relaxed);
    let core = other();
    let run = move || {
        let words = core::hint::black_box([0x57ac_u64; 64]);
        // SAFETY: the array is on a stack that is left alone for ever, which is what this case is about.
        let borrowed: &'static [u64; 64] = unsafe { &*core::ptr::from_ref(&words) };
        let look = move || {
            yield_until("the panic", || GO.load(Ordering::Acquire));
            assert!(borrowed.iter().all(|&word| word == 0x57ac), "the stack of one that panicked was given to others");
            SEEN.up();
        };
        drop(Builder::new().core(core).spawn(look).expect("memory"));
        fail(0)
    };
    let failing = one_of_odd_size().core(core).spawn_contained(run).expect("memory");
    assert!(failing.join().is_err());
    // Others of its size come and go.
    for _ in 0..50 {
        let scribble = || core::hint::black_box([!0_u64; 1_000]).iter().all(|&word| word == !0);
        assert!(one_of_odd_size().core(core).spawn(scribble).expect("memory").join());
    }
    GO.store(true, Ordering::Release);
    SEEN.down();
}

#[libkern::test]
fn a_mutex_stays_locked_that_a_kthread_had_when_it_panicked() {
    static LOCK: Mutex<u32> = Mutex::new(0);
    let run = || {
        let mut held = LOCK.lock();
        *held = 1;
        fail(0)
    };
    assert!(one_of_odd_size().spawn_contained(run).expect("memory").join().is_err());
    assert!(LOCK.try_lock().is_none());
    assert!(LOCK.lock_timeout(Duration::from_millis(1)).is_err());
}
