//! Processes beside the kthreads and messages of their cores.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use core::time::Duration;

use guest_tests::{dawdle, spin_until};
use libkern::arch::{core_block, user};
use libkern::kthread::{Builder, JoinHandle};
use libkern::proc::{Child, Exit, State};
use libkern::testing::{Skipped, metric, skip};
use libkern::{cpu, kmsg, kthread};

use crate::support::{sleep_until, start};

static STOP: AtomicBool = AtomicBool::new(false);

/// Kthreads that sleep and wake all the time, so many on each core. Each gives how often it woke.
fn sleepers(on_each_core: usize) -> Vec<JoinHandle<u64>> {
    STOP.store(false, Ordering::Relaxed);
    let sleep = || {
        let mut times = 0;
        while !STOP.load(Ordering::Relaxed) {
            kthread::sleep(Duration::from_micros(300));
            times += 1;
        }
        times
    };
    let cores = (0..cpu::count()).cycle().take(on_each_core * cpu::count());
    cores.map(|core| Builder::new().core(core).spawn(sleep).expect("memory")).collect()
}

/// Ends them, and gives how often the laziest woke.
fn stop(sleepers: Vec<JoinHandle<u64>>) -> u64 {
    STOP.store(true, Ordering::Relaxed);
    sleepers.into_iter().map(JoinHandle::join).min().unwrap_or(0)
}

#[libkern::test(ids = ["K28", "K29"])]
fn registers_survive_kthreads_that_interrupts_restart_and_that_block_again() {
    // Of several on a core, one often wakes while another runs, and blocks in its turn before the process goes on.
    let sleepers = sleepers(4);
    for what in ["vectors", "blocked"] {
        let children: Vec<_> = (0..=cpu::count()).map(|_| start(&[what])).collect();
        assert!(children.iter().all(|child| child.wait() == Exit::Status(0)));
    }
    let woke = stop(sleepers);
    metric("wakes-of-each", woke, "count");
    assert!(woke > 10, "each woke {woke} times");
}

#[libkern::test(ids = ["K15"])]
fn interrupts_of_a_process_begin_at_the_top_of_the_running_kthread_s_stack() -> Result<(), Skipped> {
    static CAME: AtomicUsize = AtomicUsize::new(0);
    static LEAST: AtomicUsize = AtomicUsize::new(usize::MAX);
    static MOST: AtomicUsize = AtomicUsize::new(0);
    // With more cores than the host has, kthreads have it wander, and it is hardly met anywhere.
    if !(2..=4).contains(&cpu::count()) {
        return skip("needs another core to send from, and a processor for each");
    }
    /// How far below the top of its stack an interrupt is that came from ring 3, as what it calls sees it.
    fn measure() {
        let (lo, hi) = core_block::current_stack();
        let here = core::ptr::from_ref(&hi).addr();
        if user::is_from_user() {
            assert!((lo..hi).contains(&here), "{here:#x} is not on the stack from {lo:#x} to {hi:#x}");
            CAME.fetch_add(1, Ordering::Relaxed);
            LEAST.fetch_min(hi - here, Ordering::Relaxed);
            MOST.fetch_max(hi - here, Ordering::Relaxed);
        }
    }
    // Kthreads run on the process's core meanwhile, so that it is not always the same one that is left.
    let sleepers = sleepers(1);
    let child = start(&["spin"]);
    // This core is busy sending, so the process is on one of the others.
    spin_until("five hundred interrupts of the process", || {
        (1..cpu::count()).for_each(|core| kmsg::send_immediate(core, |_| measure()));
        dawdle(1_000);
        CAME.load(Ordering::Relaxed) >= 500
    });
    stop(sleepers);
    child.kill();
    let _ = child.wait();
    let (least, most) = (LEAST.load(Ordering::Relaxed), MOST.load(Ordering::Relaxed));
    metric("depth", most, "bytes");
    // Nothing is on the stack where the process runs: each begins at the same place.
    assert!(least == most && most < 8 << 10, "{least} to {most} bytes below the top");
    Ok(())
}

#[libkern::test(ids = ["K24"])]
fn a_process_whose_core_a_kthread_takes_is_not_lost() {
    // Nobody else waits for a core, so whoever takes one away is a kthread; and each process has one again.
    let children: Vec<Child> = (0..cpu::count()).map(|_| start(&["spin"])).collect();
    let turns = || children.iter().map(|child| child.stats().expect("it spins").turns).min();
    sleep_until("all to run", || turns() > Some(0));
    let sleepers = sleepers(2);
    sleep_until("each to have been interrupted and gone on", || turns() > Some(20));
    stop(sleepers);
    children.iter().for_each(Child::kill);
    assert!(children.iter().all(|child| child.wait() == Exit::Killed));
}

/// A trap that gives no call ends where others do that go straight back, and finds nothing to do there. What comes just then
/// has the core to itself, too.
#[libkern::test(ids = ["K24"])]
fn a_message_that_comes_at_the_end_of_a_trap_finds_its_core_without_a_process() -> Result<(), Skipped> {
    static CAME: AtomicU64 = AtomicU64::new(0);
    static FOUND: AtomicU64 = AtomicU64::new(0);
    if cpu::count() != 2 {
        return skip("needs one other core, and nobody else who could take the process");
    }
    let child = Arc::new(start(&["refused"]));
    spin_until("it to run", || child.state() == Some(State::RunningS));
    for sent in 1..=4_000 {
        let child = child.clone();
        kmsg::send_routine(1, move |_| {
            // This core is busy sending, so nobody runs the process.
            FOUND.fetch_add(u64::from(child.state() == Some(State::RunningS)), Ordering::Relaxed);
            CAME.fetch_add(1, Ordering::Relaxed);
        });
        spin_until("the message to have run", || CAME.load(Ordering::Relaxed) == sent);
        dawdle(sent % 200);
    }
    child.kill();
    assert_eq!(child.wait(), Exit::Killed);
    assert_eq!(FOUND.load(Ordering::Relaxed), 0, "messages that ran on a core that had a process");
    Ok(())
}

#[libkern::test]
fn a_process_is_not_forgotten_for_an_immediate_message() -> Result<(), Skipped> {
    static RAN: AtomicU64 = AtomicU64::new(0);
    if !(2..=8).contains(&cpu::count()) {
        return skip("needs another core, and a processor for each");
    }
    let child = start(&["spin"]);
    let is_running = || child.state() == Some(State::RunningS);
    let mut sent = 0;
    for step in 0..2_000 {
        spin_until("it to run", is_running);
        // A routine message takes the process's core away, which looks for somebody when that has run: meanwhile an
        // immediate message comes, sooner or later. No other comes after it that would have the process remembered.
        (1..cpu::count()).for_each(|core| kmsg::send_routine(core, |_| ()));
        dawdle(step);
        (1..cpu::count()).for_each(|core| kmsg::send_immediate(core, |_| RAN.fetch_add(1, Ordering::Relaxed)));
        sent += cpu::count() as u64 - 1;
        spin_until("all of them to have run", || RAN.load(Ordering::Relaxed) == sent);
    }
    spin_until("it to run", is_running);
    child.kill();
    assert_eq!(child.wait(), Exit::Killed);
    Ok(())
}

#[libkern::test(ids = ["M15"])]
fn no_message_is_missed_by_a_core_that_goes_to_ring_3() -> Result<(), Skipped> {
    static RAN: AtomicU64 = AtomicU64::new(0);
    const MESSAGES: u64 = 1_000;
    if cpu::count() == 1 {
        return skip("needs another core");
    }
    // In and out of the kernel as fast as it goes, and one that stays outside.
    let children = [start(&["null_calls", "1000000000"]), start(&["spin"])];
    RAN.store(0, Ordering::Relaxed);
    let others = || (0..cpu::count()).filter(|&core| core != 0).take(4);
    let sent_a_round = others().count() as u64;
    for round in 1..=MESSAGES / sent_a_round {
        for core in others() {
            kmsg::send_routine(core, |_| {
                RAN.fetch_add(1, Ordering::Release);
            });
        }
        // Not asleep: this core goes to no process meanwhile, which might be what runs the messages.
        spin_until("messages to cores in ring 3", || RAN.load(Ordering::Acquire) == round * sent_a_round);
    }
    children.iter().for_each(Child::kill);
    assert!(children.iter().all(|child| child.wait() == Exit::Killed));
    Ok(())
}
