//! The interrupt is a hint: sent when it is needed, not sent when it is not, and never missed.

use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use core::time::Duration;

use guest_tests::{send_as_it_halts, spin_for, spin_until, wake_in_turn};
use libkern::sync::IrqGuard;
use libkern::testing::{Skipped, metric, skip};
use libkern::time::Instant;
use libkern::{cpu, kmsg, kthread};

use crate::target;

/// The running core's sends that interrupted, and those that did not.
fn interrupts() -> (u64, u64) {
    let stats = kmsg::stats(cpu::id());
    (stats.interrupts_sent, stats.interrupts_saved)
}

#[libkern::test(ids = ["M8"])]
fn a_core_that_halts_is_woken_by_a_routine_message() -> Result<(), Skipped> {
    static RAN: AtomicU64 = AtomicU64::new(0);
    if cpu::count() == 1 {
        return skip("needs another core");
    }
    let core = target();
    for number in 1..=20 {
        // Until a message finds the core asleep: one that had to interrupt it.
        loop {
            spin_for(1_000_000);
            let before = interrupts().0;
            let ran = RAN.load(Ordering::Relaxed);
            kmsg::send_routine(core, |_| {
                RAN.fetch_add(1, Ordering::Release);
            });
            spin_until("a message to a core that halts", || RAN.load(Ordering::Acquire) > ran);
            if interrupts().0 > before {
                break;
            }
        }
        assert!(RAN.load(Ordering::Relaxed) >= number);
    }
    Ok(())
}

#[libkern::test(ids = ["M9"])]
fn a_thousand_messages_to_a_core_with_interrupts_off_all_run_after_one_interrupt() -> Result<(), Skipped> {
    static OFF: AtomicBool = AtomicBool::new(false);
    static SENT: AtomicBool = AtomicBool::new(false);
    static IMMEDIATE: AtomicUsize = AtomicUsize::new(0);
    static ROUTINE: AtomicUsize = AtomicUsize::new(0);
    const COUNT: usize = 1_000;
    if cpu::count() == 1 {
        return skip("needs another core");
    }
    let core = target();
    let busy = kthread::Builder::new().core(core).spawn(|| {
        let off = IrqGuard::new();
        OFF.store(true, Ordering::Release);
        spin_until("a thousand messages", || SENT.load(Ordering::Acquire));
        assert_eq!(IMMEDIATE.load(Ordering::Relaxed), 0, "in spite of interrupts being off");
        drop(off);
        spin_until("the immediate messages", || IMMEDIATE.load(Ordering::Relaxed) == COUNT);
        assert_eq!(ROUTINE.load(Ordering::Relaxed), 0, "while a kthread runs");
    });
    let busy = busy.expect("there is memory for a stack");
    spin_until("the core to have interrupts off", || OFF.load(Ordering::Acquire));
    let before = interrupts();
    for number in 0..COUNT {
        kmsg::send_immediate(core, move |_| assert_eq!(IMMEDIATE.fetch_add(1, Ordering::Relaxed), number));
        kmsg::send_routine(core, move |_| assert_eq!(ROUTINE.fetch_add(1, Ordering::Relaxed), number));
    }
    let after = interrupts();
    SENT.store(true, Ordering::Release);
    busy.join();
    kthread::call(core, || ());
    assert_eq!((IMMEDIATE.load(Ordering::Relaxed), ROUTINE.load(Ordering::Relaxed)), (COUNT, COUNT));
    // For the first immediate message; the routine ones are for a core that will look.
    assert_eq!((after.0 - before.0, after.1 - before.1), (1, 2 * COUNT as u64 - 1));
    Ok(())
}

#[libkern::test(ids = ["M19"])]
fn work_that_a_core_sends_to_itself_costs_no_interrupt() {
    const COUNT: usize = 1_000;
    for core in [cpu::id(), target()] {
        kthread::call(core, || {
            static RAN: AtomicUsize = AtomicUsize::new(0);
            RAN.store(0, Ordering::Relaxed);
            let before = kmsg::stats(core);
            for number in 0..COUNT {
                kmsg::send_routine(core, move |_| assert_eq!(RAN.fetch_add(1, Ordering::Relaxed), number));
            }
            let after = kmsg::stats(core);
            assert_eq!(RAN.load(Ordering::Relaxed), 0, "deferred");
            kthread::yield_now();
            assert_eq!(RAN.load(Ordering::Relaxed), COUNT);
            assert_eq!(after.sent - before.sent, COUNT as u64);
            assert_eq!(after.interrupts_sent, before.interrupts_sent);
            assert_eq!(after.interrupts_saved, before.interrupts_saved, "there was none to save");
        });
    }
}

#[libkern::test(ids = ["M8"])]
fn a_core_that_polls_is_not_interrupted() -> Result<(), Skipped> {
    static RAN: AtomicU64 = AtomicU64::new(0);
    const COUNT: u64 = 200;
    if !(2..=8).contains(&cpu::count()) {
        return skip("needs another core, and a processor for it to poll on");
    }
    let core = target();
    kthread::set_idle_poll(Duration::from_secs(10));
    // Out of its halt.
    kthread::call(core, || ());
    let before = interrupts();
    for number in 0..COUNT {
        kmsg::send_routine(core, |_| {
            RAN.fetch_add(1, Ordering::Release);
        });
        spin_until("a core that polls", || RAN.load(Ordering::Acquire) > number);
    }
    let after = interrupts();
    kthread::set_idle_poll(Duration::ZERO);
    assert_eq!((after.0 - before.0, after.1 - before.1), (0, COUNT));
    // The poll ends early for none of them: with something to do, they go on to halt.
    kthread::call_all(|_| {});
    Ok(())
}

#[libkern::test(ids = ["M8", "M19"])]
fn a_core_that_polls_sees_what_its_own_interrupts_send() {
    const POLL: Duration = Duration::from_secs(20);
    kthread::set_idle_poll(POLL);
    let began = Instant::now();
    // The timer's interrupt wakes who sleeps here by a message of this core to itself.
    kthread::sleep(Duration::from_millis(1));
    let took = began.elapsed();
    kthread::set_idle_poll(Duration::ZERO);
    assert!(took < POLL / 2, "awake after {took:?}, when the poll had ended");
}

#[libkern::test(ids = ["M8", "M11", "M14"])]
fn no_message_is_missed_by_a_core_that_is_about_to_halt() -> Result<(), Skipped> {
    if cpu::count() == 1 {
        return skip("needs another core");
    }
    let count = if cpu::count() <= 8 { 10_000 } else { 500 };
    let interrupts = send_as_it_halts(target(), count);
    metric("interrupts-per-message", format_args!("{:.3}", interrupts as f64 / count as f64), "ratio");
    Ok(())
}

#[libkern::test(ids = ["M8", "M11"])]
fn two_cores_that_wake_each_other_in_turn_both_halt_in_between() -> Result<(), Skipped> {
    if cpu::count() == 1 {
        return skip("needs another core");
    }
    let rounds = if cpu::count() <= 8 { 2_000 } else { 200 };
    let interrupts = wake_in_turn(target(), rounds);
    // All but those that come while the other is on its way to its halt.
    assert!(interrupts > rounds, "{interrupts} interrupts for {rounds} messages each way: did they halt?");
    Ok(())
}

#[libkern::test]
fn what_all_cores_count_adds_up() {
    static RAN: AtomicU64 = AtomicU64::new(0);
    const EACH: u64 = 300;
    let cores = cpu::count().min(8);
    let total = || {
        (0..cpu::count()).map(kmsg::stats).fold((0, 0, 0), |(sent, received, interrupts), stats| {
            (sent + stats.sent, received + stats.received, interrupts + stats.interrupts_sent + stats.interrupts_saved)
        })
    };
    let quiet = || {
        // The last messages of what was before are on their way: answers, launches.
        spin_until("all that was sent to be received", || {
            let (sent, received, _) = total();
            sent == received
        });
        total()
    };
    let before = quiet();
    kthread::call_set(&(0..cores).collect(), |core| {
        for number in 0..EACH {
            let to = (core + number as usize) % cores;
            kmsg::send_routine(to, |_| {
                RAN.fetch_add(1, Ordering::Relaxed);
            });
            kmsg::send_immediate(to, |_| {
                RAN.fetch_add(1, Ordering::Relaxed);
            });
        }
    });
    kthread::call_all(|_| kthread::yield_now());
    assert_eq!(RAN.load(Ordering::Relaxed), 2 * EACH * cores as u64);
    let after = quiet();
    let sent = after.0 - before.0;
    assert!(sent >= 2 * EACH * cores as u64, "{sent} sent");
    assert_eq!(after.1 - before.1, sent);
    assert!(after.2 - before.2 <= sent, "more interrupts sent and saved than messages");
    let waits = (0..cpu::count()).map(|core| kmsg::stats(core).longest_wait);
    assert!(cores == 1 || waits.max() > Some(Duration::ZERO), "some message has waited");
}
