//! Alarms: where and when their handlers run, and that what is cancelled does not.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use core::time::Duration;

use guest_tests::{Scatter, is_on_interrupt_stack, spin_for, with_interrupts_off, yield_until};
use libkern::alarm::{self, Alarm, Handle};
use libkern::arch::irq;
use libkern::kthread::sync::Semaphore;
use libkern::sync::{IrqSpinLock, depth};
use libkern::testing::{Skipped, metric, skip};
use libkern::time::{Instant, timer};
use libkern::{cpu, kmsg, kthread};

use crate::other;

const MS: Duration = Duration::from_millis(1);

#[libkern::test(ids = ["M18"])]
fn a_message_with_a_time_runs_on_its_core_and_not_before_its_time() {
    for core in 0..cpu::count().min(4) {
        kthread::call(core, || {
            let done = Arc::new(Semaphore::new(0));
            let received = kmsg::stats(core).received;
            for step in 0..20 {
                let (at, done) = (Instant::now() + step * MS / 2, Arc::clone(&done));
                alarm::at(at, move || {
                    assert!(Instant::now() >= at, "early by {:?}", at - Instant::now());
                    assert_eq!(cpu::id(), core);
                    assert!(irq::enabled() && depth::may_block() && !is_on_interrupt_stack(), "in kthread context");
                    done.up();
                });
            }
            done.down_many(20);
            // As routine messages, twenty of them.
            assert!(kmsg::stats(core).received >= received + 20);
        });
    }
}

#[libkern::test]
fn a_handler_may_block_and_others_ring_meanwhile() {
    let order = Arc::new(IrqSpinLock::new("order", Vec::new()));
    let (one, two) = (Arc::clone(&order), Arc::clone(&order));
    let slow = Alarm::new(move |_| {
        one.lock().push("slow begins");
        kthread::sleep(20 * MS);
        one.lock().push("slow ends");
    });
    let quick = Alarm::new(move |_| two.lock().push("quick"));
    slow.set_after(MS);
    quick.set_after(8 * MS);
    yield_until("both handlers", || order.lock().len() == 3);
    assert_eq!(*order.lock(), ["slow begins", "quick", "slow ends"]);
}

#[libkern::test(ids = ["M18"])]
fn a_periodic_alarm_keeps_its_beat_however_late_it_is() {
    const PERIOD: Duration = Duration::from_millis(4);
    let beats = Arc::new(IrqSpinLock::new("beats", Vec::new()));
    let noted = Arc::clone(&beats);
    let alarm = Alarm::new(move |ringing| {
        assert!(ringing.at() <= Instant::now());
        noted.lock().push((ringing.at(), ringing.missed()));
    });
    let start = Instant::now() + PERIOD;
    alarm.set_every_from(start, PERIOD);
    // The core is busy with this for longer and longer, then for longer than a period.
    for busy in 0..12 {
        spin_for(busy * 1_000_000);
        kthread::sleep(PERIOD);
    }
    assert!(alarm.cancel_sync());
    let beats = beats.lock();
    assert!(beats.len() > 8, "{}", beats.len());
    let mut expected = 0;
    for &(at, missed) in beats.iter() {
        expected += missed;
        assert_eq!(at, start + expected as u32 * PERIOD, "each beat was rung for or counted as missed");
        expected += 1;
    }
    metric("beats", beats.len(), "count");
    metric("missed", alarm.stats().missed, "count");
}

#[libkern::test]
fn what_came_while_interrupts_were_off_is_one_call_and_the_rest_is_missed() {
    let calls = Arc::new(AtomicUsize::new(0));
    let missed = Arc::new(AtomicU64::new(0));
    let (counted, summed) = (Arc::clone(&calls), Arc::clone(&missed));
    let alarm = Alarm::new(move |ringing| {
        counted.fetch_add(1, Ordering::Relaxed);
        summed.fetch_add(ringing.missed(), Ordering::Relaxed);
        ringing.stop();
    });
    with_interrupts_off(|| {
        alarm.set_every(2 * MS);
        spin_for(21_000_000);
    });
    yield_until("the handler", || calls.load(Ordering::Relaxed) == 1);
    let missed = missed.load(Ordering::Relaxed);
    assert!(missed >= 9, "{missed}");
    assert!(!alarm.is_set());
}

#[libkern::test]
fn a_synchronous_cancellation_waits_for_a_running_handler() {
    static GATE: Semaphore = Semaphore::new(0);
    for core in [0, other()] {
        let (runs, ended) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let handler = (Arc::clone(&runs), Arc::clone(&ended));
        let alarm = Alarm::new(move |_| {
            handler.0.store(true, Ordering::Relaxed);
            GATE.down();
            kthread::sleep(MS);
            handler.1.store(true, Ordering::Relaxed);
        });
        let handle = alarm.handle();
        kthread::call(core, move || handle.set_every(MS));
        yield_until("the handler", || runs.load(Ordering::Relaxed));
        // Of this core, so it runs when this kthread waits.
        let opener = kthread::spawn(|| {
            kthread::sleep(5 * MS);
            GATE.up();
        });
        assert!(alarm.cancel_sync(), "it was set for the next time");
        assert!(ended.load(Ordering::Relaxed));
        opener.join();
        runs.store(false, Ordering::Relaxed);
        kthread::sleep(5 * MS);
        assert!(!runs.load(Ordering::Relaxed) && !alarm.cancel_sync());
    }
}

#[libkern::test]
fn an_alarm_gives_units_to_those_who_wait_for_them() {
    static BEAT: Semaphore = Semaphore::new(0);
    let alarm = Alarm::up(&BEAT);
    let start = Instant::now();
    alarm.set_every(2 * MS);
    for beat in 1..=10 {
        BEAT.down();
        assert!(start.elapsed() >= beat * 2 * MS);
    }
    assert!(alarm.cancel_sync());
    while BEAT.try_down() {}
    kthread::sleep(5 * MS);
    assert!(!BEAT.try_down());
    metric("late-max", alarm.stats().worst_lateness.as_nanos(), "ns");
}

#[libkern::test]
fn an_alarm_rings_where_it_was_set_last() {
    let rang_on = Arc::new(AtomicUsize::new(usize::MAX));
    let noted = Arc::clone(&rang_on);
    let alarm = Alarm::new(move |_| noted.store(cpu::id(), Ordering::Relaxed));
    for core in (0..cpu::count().min(4)).chain([0]) {
        // Far away here, soon there.
        alarm.set_after(10_000 * MS);
        let handle = alarm.handle();
        kthread::call(core, move || handle.set_after(MS));
        yield_until("the handler", || rang_on.swap(usize::MAX, Ordering::Relaxed) == core);
    }
    assert!(!alarm.is_set());
}

#[libkern::test]
fn a_handle_may_be_used_where_nothing_may_block() {
    static RANG: AtomicUsize = AtomicUsize::new(0);
    let alarm = Alarm::new(|_| {
        RANG.fetch_add(1, Ordering::Relaxed);
    });
    let handle = alarm.handle();
    let lock = IrqSpinLock::new("held", ());
    // In an interrupt, with a lock held and interrupts off.
    kmsg::send_immediate(cpu::id(), move |_| handle.set_after(MS));
    let held = lock.lock();
    alarm.set_after(MS);
    assert!(alarm.cancel());
    alarm.set_after(2 * MS);
    drop(held);
    yield_until("the handler", || RANG.load(Ordering::Relaxed) == 1);
    kthread::sleep(5 * MS);
    assert_eq!(RANG.load(Ordering::Relaxed), 1);
}

/// On each core a kthread that makes, sets, cancels and drops alarms at random, some of which the kthreads of other cores have
/// handles of.
fn storm(rounds: u64) {
    static RUNNING: AtomicUsize = AtomicUsize::new(0);
    static RANG: AtomicUsize = AtomicUsize::new(0);
    static SHARED: IrqSpinLock<Vec<Handle>> = IrqSpinLock::new("handles", Vec::new());
    /// Whether the alarm may ring, and whether its handler runs.
    #[derive(Default)]
    struct Life {
        is_over: AtomicBool,
        runs: AtomicBool,
    }
    kthread::call_all(|core| {
        if core >= 8 {
            return;
        }
        let mut scatter = Scatter::new(rounds + core as u64);
        for _ in 0..rounds {
            let life = Arc::new(Life::default());
            let lived = Arc::clone(&life);
            let naps = scatter.below(4) == 0;
            let alarm = Alarm::new(move |ringing| {
                assert!(!lived.is_over.load(Ordering::Acquire), "it was waited for");
                assert!(!lived.runs.swap(true, Ordering::AcqRel), "twice at once");
                RUNNING.fetch_add(1, Ordering::Relaxed);
                if naps {
                    kthread::sleep(MS / 10);
                }
                if ringing.missed() > 2 {
                    ringing.set_after(MS / 20);
                }
                RANG.fetch_add(1, Ordering::Relaxed);
                lived.runs.store(false, Ordering::Release);
            });
            SHARED.lock().push(alarm.handle());
            for _ in 0..4 {
                let delay = Duration::from_nanos(scatter.below(300_000));
                let strange = {
                    let mut shared = SHARED.lock();
                    let any = scatter.below(shared.len() as u64) as usize;
                    if shared.len() > 32 { shared.swap_remove(any) } else { shared[any].clone() }
                };
                match scatter.below(6) {
                    0 => alarm.set_after(delay),
                    1 => alarm.set_every(delay + MS / 10),
                    2 => strange.set_after(delay),
                    3 => drop(strange.cancel()),
                    4 => drop(alarm.cancel()),
                    _ => kthread::sleep(delay / 2),
                }
            }
            kthread::sleep(Duration::from_nanos(scatter.below(400_000)));
            if scatter.below(2) == 0 {
                // Others may set it again at any time but after this.
                alarm.cancel_sync();
            }
            drop(alarm);
            yield_until("the last of its handler", || !life.runs.load(Ordering::Acquire));
        }
    });
    SHARED.lock().clear();
    yield_until("all handlers", || (0..cpu::count()).all(|core| timer::armed(core) == 0));
    metric("rang", RANG.swap(0, Ordering::Relaxed), "count");
    metric("ran", RUNNING.swap(0, Ordering::Relaxed), "count");
}

#[libkern::test]
fn alarms_are_made_set_cancelled_and_dropped_by_all_cores() {
    storm(40);
}

#[libkern::test(long)]
fn alarms_are_made_set_cancelled_and_dropped_by_all_cores_for_long() {
    storm(2_000);
}

#[libkern::test]
fn what_a_handler_has_is_dropped_with_the_alarm() {
    let witness = Arc::new(());
    for core in [0, other()] {
        for ring in [false, true] {
            let held = Arc::clone(&witness);
            let alarm = Alarm::new(move |_| drop(Arc::clone(&held)));
            let handle = alarm.handle();
            kthread::call(core, move || handle.set_every(MS / 2));
            if ring {
                kthread::sleep(2 * MS);
            }
            drop(alarm);
            yield_until("the drop", || Arc::strong_count(&witness) == 1);
        }
    }
}

#[libkern::test]
fn an_alarm_that_is_late_says_by_how_much() -> Result<(), Skipped> {
    let late = Arc::new(AtomicU64::new(0));
    let noted = Arc::clone(&late);
    let alarm = Alarm::new(move |ringing| noted.store(ringing.late().as_nanos() as u64, Ordering::Relaxed));
    alarm.set_after(MS);
    // Nothing else runs on this core meanwhile.
    spin_for(30_000_000);
    if late.load(Ordering::Relaxed) != 0 {
        return skip("somebody let it run");
    }
    yield_until("the handler", || late.load(Ordering::Relaxed) > 0);
    assert!(late.load(Ordering::Relaxed) >= 28_000_000);
    assert!(alarm.stats().worst_lateness >= 28 * MS);
    Ok(())
}
