//! Where messages run, and what runs before what.

use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use guest_tests::{is_on_interrupt_stack, spin_for, spin_until};
use libkern::arch::irq;
use libkern::kthread::sync::Semaphore;
use libkern::sync::{IrqGuard, IrqSpinLock, SpinLock, depth};
use libkern::testing::{Skipped, skip};
use libkern::time::Instant;
use libkern::time::timer::Timer;
use libkern::{cpu, kmsg, kthread};

use crate::target;

#[libkern::test(ids = ["M5"])]
fn immediate_messages_run_on_the_interrupt_stack_with_interrupts_off_one_at_a_time() {
    static INSIDE: AtomicUsize = AtomicUsize::new(0);
    static RAN: AtomicUsize = AtomicUsize::new(0);
    static DONE: Semaphore = Semaphore::new(0);
    const DEEP: usize = 20;
    fn handle(rest: usize) {
        assert_eq!(INSIDE.fetch_add(1, Ordering::Relaxed), 0, "one handler inside another");
        assert!(!irq::enabled() && is_on_interrupt_stack() && !depth::may_block());
        if rest > 0 {
            let before = RAN.load(Ordering::Relaxed);
            // Two to itself, and time for their interrupt to come if it could.
            kmsg::send_immediate(cpu::id(), |_| {
                assert_eq!(INSIDE.load(Ordering::Relaxed), 0, "one handler inside another");
                RAN.fetch_add(1, Ordering::Relaxed);
            });
            kmsg::send_immediate(cpu::id(), move |_| handle(rest - 1));
            spin_for(20_000);
            assert_eq!(RAN.load(Ordering::Relaxed), before, "before the one that sent it has returned");
        } else {
            DONE.up();
        }
        INSIDE.fetch_sub(1, Ordering::Relaxed);
    }
    for core in [cpu::id(), target()] {
        RAN.store(0, Ordering::Relaxed);
        kmsg::send_immediate(core, |_| handle(DEEP));
        DONE.down();
        assert_eq!(RAN.load(Ordering::Relaxed), DEEP);
    }
}

#[libkern::test(ids = ["M4"])]
fn routine_messages_run_in_kthread_context_with_interrupts_on() {
    static DONE: Semaphore = Semaphore::new(0);
    for core in [cpu::id(), target()] {
        kmsg::send_routine(core, move |_| {
            assert!(irq::enabled() && !is_on_interrupt_stack() && depth::may_block());
            // What one may do in a kthread.
            kthread::call(0, cpu::id);
            DONE.up();
        });
        DONE.down();
    }
}

#[libkern::test(ids = ["M4"])]
fn routine_messages_wait_until_what_runs_there_blocks_or_ends() {
    static RAN: AtomicUsize = AtomicUsize::new(0);
    let sender = cpu::id();
    for core in [cpu::id(), target()] {
        RAN.store(0, Ordering::Relaxed);
        kthread::call(core, || {
            let send = || {
                kmsg::send_routine(core, |_| {
                    RAN.fetch_add(1, Ordering::Relaxed);
                })
            };
            send();
            // And one by an interrupt, which returns to here and not to the message.
            let sent = AtomicBool::new(false);
            kmsg_in_interrupt(core, || {
                send();
                sent.store(true, Ordering::Release);
            });
            spin_until("the interrupt", || sent.load(Ordering::Acquire));
            spin_for(1_000_000);
            assert_eq!(RAN.load(Ordering::Relaxed), 0, "inside what runs on core {core}, sent to from core {sender}");
            kthread::yield_now();
            assert_eq!(RAN.load(Ordering::Relaxed), 2, "after what ran on core {core} yielded");
        });
    }
}

/// Runs `f` in an interrupt of this core, which must be `core`. Interrupts are on, so it has run on return.
fn kmsg_in_interrupt(core: usize, f: impl Fn() + Sync) {
    let done = AtomicBool::new(false);
    let message: &(dyn Fn() + Sync) = &|| {
        f();
        done.store(true, Ordering::Release);
    };
    // SAFETY: what the message borrows lives until it has run, for which this function waits.
    let message: &'static (dyn Fn() + Sync) = unsafe { core::mem::transmute(message) };
    kmsg::send_immediate(core, move |_| message());
    spin_until("an interrupt of this core", || done.load(Ordering::Acquire));
}

#[libkern::test(ids = ["M3"])]
fn an_immediate_message_runs_while_a_routine_one_does_and_before_the_next() -> Result<(), Skipped> {
    static ORDER: SpinLock<[&str; 4]> = SpinLock::new("order", [""; 4]);
    static LEN: AtomicUsize = AtomicUsize::new(0);
    static BEGUN: AtomicBool = AtomicBool::new(false);
    static INTERRUPTED: AtomicBool = AtomicBool::new(false);
    static DONE: Semaphore = Semaphore::new(0);
    fn note(what: &'static str) {
        ORDER.lock()[LEN.fetch_add(1, Ordering::Relaxed)] = what;
    }
    if cpu::count() == 1 {
        return skip("needs another core");
    }
    let core = target();
    kmsg::send_routine(core, |_| {
        note("first routine");
        BEGUN.store(true, Ordering::Release);
        spin_until("the immediate message", || INTERRUPTED.load(Ordering::Acquire));
        note("end of first");
    });
    kmsg::send_routine(core, |_| {
        note("second routine");
        DONE.up();
    });
    spin_until("the routine message", || BEGUN.load(Ordering::Acquire));
    kmsg::send_immediate(core, |_| {
        // The lock is free: the routine message is spinning elsewhere.
        note("immediate");
        INTERRUPTED.store(true, Ordering::Release);
    });
    DONE.down();
    assert_eq!(*ORDER.lock(), ["first routine", "immediate", "end of first", "second routine"]);
    Ok(())
}

#[libkern::test(ids = ["M13"])]
fn immediate_messages_that_wait_run_before_the_next_routine_one() -> Result<(), Skipped> {
    static IMMEDIATES: AtomicUsize = AtomicUsize::new(0);
    static SEEN: [AtomicUsize; 2] = [const { AtomicUsize::new(0) }; 2];
    static DONE: Semaphore = Semaphore::new(0);
    const EACH: usize = 50;
    if cpu::count() == 1 {
        return skip("needs another core");
    }
    let core = target();
    static HELD: AtomicBool = AtomicBool::new(false);
    static SENT: AtomicBool = AtomicBool::new(false);
    for round in 0..20 {
        for flag in [&HELD, &SENT] {
            flag.store(false, Ordering::Relaxed);
        }
        IMMEDIATES.store(0, Ordering::Relaxed);
        kmsg::send_routine(core, |_| {
            let _off = IrqGuard::new();
            HELD.store(true, Ordering::Release);
            spin_until("messages to a core with interrupts off", || SENT.load(Ordering::Acquire));
        });
        spin_until("the core to have interrupts off", || HELD.load(Ordering::Acquire));
        for (index, seen) in SEEN.iter().enumerate() {
            // The routine ones are sent first.
            kmsg::send_routine(core, move |_| {
                seen.store(IMMEDIATES.load(Ordering::Relaxed), Ordering::Relaxed);
                if index == 1 {
                    DONE.up();
                }
            });
        }
        for _ in 0..EACH {
            kmsg::send_immediate(core, |_| {
                IMMEDIATES.fetch_add(1, Ordering::Relaxed);
            });
        }
        SENT.store(true, Ordering::Release);
        DONE.down();
        let seen = [&SEEN[0], &SEEN[1]].map(|seen| seen.load(Ordering::Relaxed));
        assert_eq!(seen, [EACH; 2], "immediate messages before the routine ones, round {round}");
    }
    Ok(())
}

#[libkern::test(ids = ["M17"])]
fn sending_works_in_interrupt_handlers_under_locks_and_with_interrupts_off() {
    static PLAIN: SpinLock<()> = SpinLock::new("held while sending", ());
    static OFF: IrqSpinLock<()> = IrqSpinLock::new("held with interrupts off while sending", ());
    static DONE: Semaphore = Semaphore::new(0);
    static TIMER: Timer = Timer::new(fire);
    /// A message of each kind to the first core and to the last.
    fn send() {
        for core in [0, target()] {
            kmsg::send_immediate(core, |_| {
                DONE.up();
            });
            kmsg::send_routine(core, |_| {
                DONE.up();
            });
        }
    }
    const COUNT: usize = 4;
    // SAFETY: of a signature that wants it; nothing is asked of the caller.
    /// # Safety
    /// As for a timer's function.
    unsafe fn fire(_: core::ptr::NonNull<Timer>) {
        send();
    }
    {
        let _plain = PLAIN.lock();
        send();
        let _off = OFF.lock();
        send();
    }
    DONE.down_many(2 * COUNT);
    // SAFETY: it is a static, and fires once before anybody could arm it again.
    unsafe { TIMER.arm(Instant::now().as_nanos() + 100_000) };
    DONE.down_many(COUNT);
    // By messages of the one kind and of the other.
    for core in [0, target()] {
        kmsg::send_immediate(core, |_| send());
        kmsg::send_routine(core, |_| send());
    }
    DONE.down_many(4 * COUNT);
    assert_eq!(DONE.available(), 0);
}
