//! Whatever is per core is stale after a block.

use core::sync::atomic::{AtomicUsize, Ordering};

use guest_tests::{Scatter, yield_until};
use libkern::arch::{core_block, percore_delta};
use libkern::kthread::sync::Semaphore;
use libkern::sync::per_core;
use libkern::testing::{Skipped, metric, skip};
use libkern::{cpu, kthread};

use crate::many;

per_core! {
    static WHO: AtomicUsize = AtomicUsize::new(usize::MAX);
}

/// All that a function knows of its core.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Here {
    core: usize,
    delta: usize,
    who: usize,
}

impl Here {
    // Inlined, so that whoever asks twice shows the compiler both questions at once.
    #[inline(always)]
    fn look() -> Here {
        // SAFETY: shared by type; the running core's, which is what is asked.
        let who = unsafe { WHO.get_unguarded() }.load(Ordering::Relaxed);
        Here { core: cpu::id(), delta: percore_delta(), who }
    }

    fn of(core: usize) -> Here {
        Here { core, delta: core_block::percore_base(core), who: core }
    }
}

const KTHREADS: usize = 4;

#[libkern::test(ids = ["K2", "K14"])]
fn a_kthread_that_is_woken_elsewhere_each_time_never_takes_one_core_for_another() -> Result<(), Skipped> {
    static WAKE: [Semaphore; KTHREADS] = [const { Semaphore::new(0) }; KTHREADS];
    static AWAKE: [Semaphore; KTHREADS] = [const { Semaphore::new(0) }; KTHREADS];
    static TARGET: [AtomicUsize; KTHREADS] = [const { AtomicUsize::new(0) }; KTHREADS];
    let cores = cpu::count().min(8);
    if cores == 1 {
        return skip("one core is always the same");
    }
    let rounds = many(10_000).min(40_000 / cpu::count());
    kthread::call_all(|core| WHO.on(core).store(core, Ordering::Relaxed));
    let sleepers: [_; KTHREADS] = core::array::from_fn(|me| {
        let run = move || {
            let mut moved = 0;
            for _ in 0..rounds {
                let before = Here::look();
                WAKE[me].down();
                let after = Here::look();
                assert_eq!(before, Here::of(before.core));
                assert_eq!(after, Here::of(after.core));
                let stack = core_block::current_stack();
                assert!((stack.0..stack.1).contains(&(&raw const before).addr()), "on the stack that the core knows");
                // Where it was sent, unless the unit was there before it slept.
                assert!(
                    [before.core, TARGET[me].load(Ordering::Relaxed)].contains(&after.core),
                    "{before:?} {after:?}"
                );
                moved += usize::from(before.core != after.core);
                AWAKE[me].up();
            }
            moved
        };
        kthread::Builder::new().core(me % cores).spawn(run).expect("memory")
    });
    let mut scatter = Scatter::new(2);
    for _ in 0..rounds {
        for (wake, target) in WAKE.iter().zip(&TARGET) {
            let before = target.load(Ordering::Relaxed);
            let next = (before + 1 + scatter.below(cores as u64 - 1) as usize) % cores;
            target.store(next, Ordering::Relaxed);
            wake.up_on(next);
        }
        AWAKE.iter().for_each(Semaphore::down);
    }
    let moved: usize = sleepers.into_iter().map(kthread::JoinHandle::join).sum();
    metric("migrations", moved, "count");
    assert!(moved * 2 > rounds * KTHREADS, "{moved} migrations in {} wakes", rounds * KTHREADS);
    Ok(())
}

#[libkern::test(ids = ["K2"])]
fn a_message_s_handler_that_blocks_goes_on_in_the_idle_loop_of_another_core() -> Result<(), Skipped> {
    static ASLEEP: AtomicUsize = AtomicUsize::new(0);
    static WAKE: Semaphore = Semaphore::new(0);
    static BACK: Semaphore = Semaphore::new(0);
    let cores = cpu::count().min(8);
    if cores == 1 {
        return skip("one core is always the same");
    }
    kthread::call_all(|core| WHO.on(core).store(core, Ordering::Relaxed));
    for round in 0..many(1_000) {
        let (from, to) = (round % cores, (round * 3 + 1) % cores);
        libkern::kmsg::send_routine(from, move |_| {
            assert_eq!(Here::look(), Here::of(from));
            ASLEEP.fetch_add(1, Ordering::Relaxed);
            WAKE.down();
            let here = Here::look();
            assert_eq!(here, Here::of(here.core));
            BACK.up();
            // Returns into the idle loop of this core, whichever it is.
        });
        yield_until("the message to sleep", || ASLEEP.load(Ordering::Relaxed) > round);
        WAKE.up_on(to);
        BACK.down();
    }
    kthread::call_all(|core| assert_eq!(Here::look(), Here::of(core)));
    Ok(())
}
