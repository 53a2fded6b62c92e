//! Ends: what a kthread leaves behind is dropped, once, by whoever is the last to care.

use alloc::boxed::Box;
use core::sync::atomic::{AtomicUsize, Ordering};

use guest_tests::{is_on_interrupt_stack, yield_until};
use libkern::arch::irq;
use libkern::kthread::sync::Semaphore;
use libkern::{cpu, kthread};

use crate::other;

static DROPPED: AtomicUsize = AtomicUsize::new(0);

/// Counts its end. Large ones do not fit on the top of a stack.
struct Result<const LEN: usize> {
    filling: [u8; LEN],
}

impl<const LEN: usize> Result<LEN> {
    fn new() -> Self {
        Self { filling: [9; LEN] }
    }
}

impl<const LEN: usize> Drop for Result<LEN> {
    fn drop(&mut self) {
        assert_eq!(self.filling, [9; LEN]);
        DROPPED.fetch_add(1, Ordering::Relaxed);
    }
}

fn results_are_dropped_once<const LEN: usize>(core: usize) {
    static GO: Semaphore = Semaphore::new(0);
    let spawn = || {
        let run = || {
            GO.down();
            Result::<LEN>::new()
        };
        kthread::Builder::new().core(core).spawn(run).expect("memory")
    };
    let dropped = || DROPPED.load(Ordering::Relaxed);
    let before = dropped();

    let joined = spawn();
    GO.up();
    let result = joined.join();
    assert_eq!(dropped(), before, "the result is the joiner's");
    drop(result);
    assert_eq!(dropped(), before + 1);

    drop(spawn());
    assert_eq!(dropped(), before + 1, "it has not ended yet");
    GO.up();
    yield_until("the result of one that was detached", || dropped() == before + 2);

    let ended = spawn();
    GO.up();
    yield_until("an end", || ended.is_finished());
    assert_eq!(dropped(), before + 2, "somebody may still join");
    drop(ended);
    assert_eq!(dropped(), before + 3);

    // What the closure has captured goes with its run.
    let captured = Result::<LEN>::new();
    kthread::Builder::new().core(core).spawn(move || { &captured }.filling[0]).expect("memory").join();
    assert_eq!(dropped(), before + 4);
}

#[libkern::test]
fn a_result_is_dropped_once_by_the_joiner_or_at_the_end_or_with_the_handle() {
    for core in [cpu::id(), other()] {
        results_are_dropped_once::<1>(core);
        results_are_dropped_once::<2000>(core);
    }
}

#[libkern::test(ids = ["K26"])]
fn what_nobody_joins_is_dropped_where_code_may_run_and_block() {
    static DETACHED: Semaphore = Semaphore::new(0);
    static REACHED: Semaphore = Semaphore::new(0);
    static GO: Semaphore = Semaphore::new(0);
    static GONE: Semaphore = Semaphore::new(0);
    /// A result whose end takes a while, sleeps, and wants some stack.
    struct Slow;
    impl Drop for Slow {
        fn drop(&mut self) {
            assert!(irq::enabled() && !is_on_interrupt_stack(), "dropped with interrupts off");
            let some = core::hint::black_box([1_u8; 5_000]);
            REACHED.up();
            GO.down();
            assert_eq!(core::hint::black_box(some)[4_999], 1);
            GONE.up();
        }
    }
    for core in [cpu::id(), other()] {
        let small = || {
            DETACHED.down();
            Slow
        };
        let large = || {
            DETACHED.down();
            (Box::new(Slow), [0_u8; 2000])
        };
        // What has ended by the time that its handle is dropped is dropped with the handle.
        drop(kthread::Builder::new().core(core).spawn(small).expect("memory"));
        drop(kthread::Builder::new().core(core).spawn(large).expect("memory"));
        DETACHED.up_many(2);
        REACHED.down_many(2);
        // The core has other things to do meanwhile.
        assert_eq!(kthread::call(core, cpu::id), core);
        GO.up_many(2);
        GONE.down_many(2);
    }
}
