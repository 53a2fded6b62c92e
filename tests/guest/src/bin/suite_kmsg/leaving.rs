//! Messages that do not return, and what is left by them.

use core::sync::atomic::{AtomicUsize, Ordering};

use guest_tests::spin_until;
use libkern::kthread::sync::Semaphore;
use libkern::testing::{Skipped, skip};
use libkern::{cpu, kmsg, kthread};

use crate::target;

#[libkern::test(ids = ["M7", "M12"])]
fn three_messages_in_a_row_that_do_not_return_and_one_interrupt_and_all_run() -> Result<(), Skipped> {
    static RAN: AtomicUsize = AtomicUsize::new(0);
    static SENT: AtomicUsize = AtomicUsize::new(0);
    static DONE: Semaphore = Semaphore::new(0);
    if cpu::count() == 1 {
        return skip("needs another core");
    }
    let core = target();
    for round in 1..=50 {
        RAN.store(0, Ordering::Relaxed);
        let before = kmsg::stats(cpu::id());
        kmsg::send_routine(core, move |cx| {
            // The others are sent to a core that is awake.
            spin_until("the other messages", || SENT.load(Ordering::Acquire) == round);
            assert_eq!(RAN.fetch_add(1, Ordering::Relaxed), 0);
            kthread::finish(cx)
        });
        for number in 1..3 {
            kmsg::send_routine(core, move |cx| {
                assert_eq!(RAN.fetch_add(1, Ordering::Relaxed), number);
                kthread::finish(cx)
            });
        }
        kmsg::send_routine(core, |_| {
            assert_eq!(RAN.fetch_add(1, Ordering::Relaxed), 3);
            DONE.up();
        });
        let after = kmsg::stats(cpu::id());
        SENT.store(round, Ordering::Release);
        assert_eq!(after.sent - before.sent, 4);
        // The second may catch the core before it has taken the first, and see it asleep as that one did.
        assert!(after.interrupts_sent - before.interrupts_sent <= 1, "{before:?} {after:?}");
        DONE.down();
        assert_eq!(RAN.load(Ordering::Relaxed), 4);
    }
    Ok(())
}

#[libkern::test(ids = ["M7", "K10", "K30"])]
fn a_stack_that_messages_leave_for_ever_does_not_fill_up() {
    static RAN: AtomicUsize = AtomicUsize::new(0);
    static DONE: Semaphore = Semaphore::new(0);
    const COUNT: usize = 2_000;
    for core in 0..cpu::count().min(4) {
        RAN.store(0, Ordering::Relaxed);
        for _ in 0..COUNT {
            // Together more than any stack, if each left its part behind.
            kmsg::send_routine(core, |cx| {
                let filling = core::hint::black_box([RAN.fetch_add(1, Ordering::Relaxed); 100]);
                assert_eq!(filling[0], filling[99]);
                kthread::finish(cx)
            });
        }
        kmsg::send_routine(core, |_| {
            DONE.up();
        });
        DONE.down();
        assert_eq!(RAN.load(Ordering::Relaxed), COUNT);
    }
}

#[libkern::test(ids = ["M7"])]
fn a_message_that_blocks_becomes_a_kthread_and_the_rest_run_meanwhile() {
    static BLOCKED: Semaphore = Semaphore::new(0);
    static RESUMED: Semaphore = Semaphore::new(0);
    static RAN: AtomicUsize = AtomicUsize::new(0);
    const SLEEPERS: usize = 20;
    let core = target();
    let ids: [AtomicUsize; SLEEPERS] = [const { AtomicUsize::new(0) }; SLEEPERS];
    let ids: &'static _ = alloc::boxed::Box::leak(alloc::boxed::Box::new(ids));
    for id in ids.iter() {
        kmsg::send_routine(core, move |cx| {
            id.store(kthread::id() as usize, Ordering::Relaxed);
            BLOCKED.down();
            assert_eq!(kthread::id() as usize, id.load(Ordering::Relaxed), "the same kthread as before");
            RESUMED.up();
            // Every other one returns into the idle loop, on whatever core it is now.
            if id.load(Ordering::Relaxed) % 2 == 0 {
                kthread::finish(cx);
            }
        });
        kmsg::send_routine(core, |_| {
            RAN.fetch_add(1, Ordering::Relaxed);
        });
    }
    kthread::call_set(&cpu::CoreSet::from_iter([core]), |_| kthread::yield_now());
    assert_eq!(RAN.load(Ordering::Relaxed), SLEEPERS, "those behind the ones that sleep");
    assert_eq!(RESUMED.available(), 0);
    for sleeper in 0..SLEEPERS {
        assert!(BLOCKED.up_on(sleeper % cpu::count()), "somebody slept");
    }
    RESUMED.down_many(SLEEPERS);
    // Their stacks were handed on to the cores on which they woke, which go on as before.
    kthread::call_all(|core| assert_eq!(cpu::id(), core));
}
