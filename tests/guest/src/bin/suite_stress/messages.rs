//! Messages that are sent as their target halts, and by all to all.

use core::sync::atomic::{AtomicU64, Ordering};

use guest_tests::{Scatter, dawdle, send_as_it_halts, wake_in_turn};
use libkern::cpu;
use libkern::kthread::sync::Semaphore;
use libkern::testing::{Skipped, metric, skip};
use libkern::time::Instant;
use libkern::{kmsg, kthread};

#[libkern::test(long, ids = ["M8", "M11", "M14"])]
fn of_ten_million_messages_to_a_core_that_is_about_to_halt_none_is_missed() -> Result<(), Skipped> {
    const COUNT: u64 = 10_000_000;
    if cpu::count() != 2 {
        return skip("for two cores");
    }
    let interrupts = send_as_it_halts(1, COUNT);
    metric("interrupts-per-message", format_args!("{:.3}", interrupts as f64 / COUNT as f64), "ratio");
    // Else they were not sent when it matters. (On a host that is busy the two are seldom awake at the same time.)
    assert!((COUNT / 100..COUNT * 99 / 100).contains(&interrupts), "{interrupts} interrupts");
    Ok(())
}

#[libkern::test(long, ids = ["M8", "M11"])]
fn two_cores_wake_each_other_half_a_million_times() -> Result<(), Skipped> {
    const ROUNDS: u64 = 250_000;
    if cpu::count() != 2 {
        return skip("for two cores");
    }
    let start = Instant::now();
    let interrupts = wake_in_turn(1, ROUNDS);
    metric("one-way", start.elapsed().as_nanos() as u64 / (2 * ROUNDS), "ns");
    assert!(interrupts > ROUNDS, "{interrupts} interrupts");
    Ok(())
}

const CORES: usize = 8;
const TOTAL: u64 = 1_000_000;
/// From one core to another, or to itself.
const EACH: u64 = TOTAL / (CORES * CORES) as u64;

#[libkern::test(long, ids = ["M1", "M2", "M7", "M11", "M12", "M14", "M17"])]
fn eight_cores_send_each_other_a_million_messages() -> Result<(), Skipped> {
    /// By receiver and sender: the number that comes next.
    static NEXT: [[AtomicU64; CORES]; CORES] = [const { [const { AtomicU64::new(0) }; CORES] }; CORES];
    static LOST_ORDER: AtomicU64 = AtomicU64::new(0);
    static DONE: Semaphore = Semaphore::new(0);
    if cpu::count() != CORES {
        return skip("for eight cores");
    }
    fn receive(from: usize, number: u64) {
        if NEXT[cpu::id()][from].fetch_add(1, Ordering::Relaxed) != number {
            LOST_ORDER.fetch_add(1, Ordering::Relaxed);
        }
    }
    // Immediate and routine messages are in no order to each other, so each pair of cores has one kind.
    fn send(from: usize, to: usize, number: u64) {
        match (from + to) % 3 {
            0 => kmsg::send_immediate(to, move |_| receive(from, number)),
            1 => kmsg::send_routine(to, move |_| receive(from, number)),
            _ => kmsg::send_routine(to, move |cx| {
                receive(from, number);
                if number.is_multiple_of(64) {
                    kthread::finish(cx);
                }
            }),
        }
    }
    let start = Instant::now();
    for from in 0..CORES {
        let run = move || {
            let mut scatter = Scatter::new(from as u64);
            for number in 0..EACH {
                for to in 0..CORES {
                    send(from, (from + to) % CORES, number);
                }
                match scatter.below(16) {
                    // What has come for this core runs.
                    0 => kthread::yield_now(),
                    // It halts, if there is nothing.
                    1 => kthread::sleep(core::time::Duration::from_micros(scatter.below(50))),
                    _ => dawdle(scatter.below(100)),
                }
            }
            DONE.up();
        };
        drop(kthread::Builder::new().core(from).spawn(run).expect("there is memory for a stack"));
    }
    DONE.down_many(CORES);
    kthread::call_all(|_| kthread::yield_now());
    metric("messages-per-second", TOTAL * 1_000_000_000 / start.elapsed().as_nanos() as u64, "count");
    for (receiver, senders) in NEXT.iter().enumerate() {
        for (sender, next) in senders.iter().enumerate() {
            assert_eq!(next.load(Ordering::Relaxed), EACH, "from core {sender} to core {receiver}");
        }
    }
    assert_eq!(LOST_ORDER.load(Ordering::Relaxed), 0, "out of order");
    let totals = (0..CORES).map(kmsg::stats).fold((0, 0), |sum, one| (sum.0 + one.sent, sum.1 + one.received));
    assert_eq!(totals.0, totals.1, "sent and received");
    Ok(())
}
