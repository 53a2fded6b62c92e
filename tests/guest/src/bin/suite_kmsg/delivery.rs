//! Once, in order, without a bound.

use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use guest_tests::spin_until;
use libkern::arch::MAX_CORES;
use libkern::cpu::{self, CoreSet};
use libkern::kthread::sync::Semaphore;
use libkern::sync::IrqSpinLock;
use libkern::{kmsg, kthread};

use crate::target;

#[libkern::test(ids = ["M1"])]
fn a_message_of_either_kind_runs_once_and_on_the_core_it_is_sent_to() {
    static RAN: [AtomicUsize; MAX_CORES] = [const { AtomicUsize::new(0) }; MAX_CORES];
    static ELSEWHERE: AtomicUsize = AtomicUsize::new(0);
    static DONE: Semaphore = Semaphore::new(0);
    fn note(core: usize) {
        let counter = if cpu::id() == core { &RAN[core] } else { &ELSEWHERE };
        counter.fetch_add(1, Ordering::Relaxed);
        DONE.up();
    }
    let cores = cpu::count();
    for core in 0..cores {
        kmsg::send_immediate(core, move |_| note(core));
        kmsg::send_routine(core, move |_| note(core));
    }
    kmsg::broadcast_immediate(|_| note(cpu::id()));
    kmsg::broadcast_routine(|_| note(cpu::id()));
    let some: CoreSet = (0..cores).step_by(3).collect();
    kmsg::multicast_immediate(&some, |_| note(cpu::id()));
    kmsg::multicast_routine(&some, |_| note(cpu::id()));
    DONE.down_many(4 * cores + 2 * some.len());
    // What ran twice would have run by the time that a later message has.
    kthread::call_all(|_| {});
    for (core, ran) in RAN.iter().enumerate().take(cores) {
        let wanted = if some.contains(core) { 6 } else { 4 };
        assert_eq!(ran.load(Ordering::Relaxed), wanted, "core {core}");
    }
    assert_eq!(ELSEWHERE.load(Ordering::Relaxed), 0, "on a core that was not meant");
}

#[libkern::test(ids = ["M1"])]
fn a_message_brings_its_words_whole() {
    static SUM: AtomicU64 = AtomicU64::new(0);
    static DONE: Semaphore = Semaphore::new(0);
    let add = |words: &[u64]| {
        let weighted = words.iter().zip(1..).map(|(word, weight): (&u64, u64)| word.wrapping_mul(weight));
        SUM.fetch_add(weighted.fold(0, u64::wrapping_add), Ordering::Relaxed);
        DONE.up();
    };
    // None, as many as there is room for, one more, and some that want more alignment than a message has.
    let (all, few) = ([1 << 63, 2, 3, 4, u64::MAX, 6], [7, 8, 9, 10, 11]);
    #[derive(Clone, Copy)]
    #[repr(align(64))]
    struct Aligned([u64; 3]);
    let aligned = Aligned([12, 13, 14]);
    for core in [cpu::id(), target()] {
        SUM.store(0, Ordering::Relaxed);
        kmsg::send_immediate(core, move |_| add(&all));
        kmsg::send_immediate(core, move |_| add(&few));
        kmsg::send_immediate(core, move |_| add(&[]));
        kmsg::send_routine(core, move |_| add(&all));
        kmsg::send_routine(core, move |_| add(&few));
        kmsg::send_routine(core, move |_| {
            assert!((&raw const aligned).addr().is_multiple_of(64), "aligned");
            add(&{ aligned }.0);
        });
        DONE.down_many(6);
        let sum = |words: &[u64]| words.iter().zip(1..).fold(0_u64, |sum, (&w, n)| sum.wrapping_add(w.wrapping_mul(n)));
        let wanted = sum(&all).wrapping_mul(2).wrapping_add(sum(&few) * 2 + sum(&aligned.0));
        assert_eq!(SUM.load(Ordering::Relaxed), wanted, "core {core}");
    }
}

/// How often something comes, and how often at its turn.
struct Turns {
    next: AtomicU64,
    out_of_turn: AtomicU64,
}

impl Turns {
    const fn new() -> Self {
        Self { next: AtomicU64::new(0), out_of_turn: AtomicU64::new(0) }
    }

    fn take(&self, number: u64) {
        if self.next.fetch_add(1, Ordering::Relaxed) != number {
            self.out_of_turn.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[track_caller]
    fn check(&self, count: u64) {
        assert_eq!(self.out_of_turn.load(Ordering::Relaxed), 0, "came before or after their turn");
        assert_eq!(self.next.load(Ordering::Relaxed), count);
    }
}

/// The cores that send at the same time.
fn senders() -> CoreSet {
    (0..cpu::count().min(8)).collect()
}

#[libkern::test(ids = ["M2", "M17"])]
fn messages_of_all_cores_to_one_run_in_the_order_of_their_sending() {
    static NUMBERS: IrqSpinLock<u64> = IrqSpinLock::new("numbers of messages", 0);
    static IMMEDIATE: Turns = Turns::new();
    static ROUTINE: Turns = Turns::new();
    const EACH: u64 = 500;
    let (senders, target) = (senders(), target());
    kthread::call_set(&senders, |_| {
        for _ in 0..EACH {
            // Numbered and sent under one lock, and so sent in the order of the numbers, whoever sends.
            let mut next = NUMBERS.lock();
            let number = *next;
            *next += 1;
            kmsg::send_routine(target, move |_| ROUTINE.take(number));
            kmsg::send_immediate(target, move |_| IMMEDIATE.take(number));
        }
    });
    // Behind all of them.
    kthread::call_set(&CoreSet::from_iter([target]), |_| kthread::yield_now());
    let count = EACH * senders.len() as u64;
    IMMEDIATE.check(count);
    ROUTINE.check(count);
}

#[libkern::test(ids = ["M1", "M2", "M14"])]
fn messages_sent_to_one_core_at_the_same_moment_are_all_delivered_each_sender_s_in_order() {
    static IMMEDIATE: [Turns; 8] = [const { Turns::new() }; 8];
    static ROUTINE: [Turns; 8] = [const { Turns::new() }; 8];
    static READY: AtomicUsize = AtomicUsize::new(0);
    const EACH: u64 = 2_000;
    let (senders, target) = (senders(), target());
    let count = senders.len();
    // All together; and with more cores than processors, one after the other, which is all that can be had there.
    let together = cpu::count() <= 8;
    kthread::call_set(&senders, |sender| {
        READY.fetch_add(1, Ordering::Relaxed);
        if together {
            spin_until("the other senders", || READY.load(Ordering::Relaxed) == count);
        }
        for number in 0..EACH {
            kmsg::send_routine(target, move |_| ROUTINE[sender].take(number));
            if number % 2 == 0 {
                kmsg::send_immediate(target, move |_| IMMEDIATE[sender].take(number / 2));
            }
        }
    });
    kthread::call_set(&CoreSet::from_iter([target]), |_| kthread::yield_now());
    for sender in senders.iter() {
        ROUTINE[sender].check(EACH);
        IMMEDIATE[sender].check(EACH / 2);
    }
}
