//! From creation to the end.

use alloc::format;
use alloc::vec::Vec;
use core::time::Duration;

use guest_tests::spin_until;
use libkern::proc::{Exit, OnDenied, Proc, State, Stats};
use libkern::testing::{Skipped, skip};
use libkern::time::Instant;
use libkern::{cpu, kmsg, kthread};
use mcp_abi::call::{CallSet, number};

use crate::support::{frames, nothing, probe, run, sleep_until, start, told};

#[libkern::test(ids = ["P2"])]
fn a_process_begins_at_its_entry_and_ends() {
    let child = Proc::create(nothing()).name("nothing").run().unwrap();
    assert_eq!(child.wait(), Exit::Status(0));
    assert_eq!((child.state(), child.try_wait()), (None, Some(Exit::Status(0))));
}

#[libkern::test(ids = ["P16", "P17"])]
fn a_process_has_its_program_s_data_fresh_and_its_arguments() {
    for _ in 0..3 {
        // It changes what it finds, and the next one does not see that.
        assert_eq!(run(&["hello", "a b", ""]), Exit::Status(0));
    }
    assert_eq!(run(&["status", "42"]), Exit::Status(42));
    assert!(told(&["a\0b"]).create().is_err());
}

#[libkern::test(ids = ["P1"])]
fn a_process_that_was_created_does_not_run() {
    let created = told(&["status", "3"]).create().unwrap();
    kthread::sleep(Duration::from_millis(20));
    assert_eq!((created.child().state(), created.child().try_wait()), (Some(State::Created), None));
    assert_eq!(created.run().wait(), Exit::Status(3));
    let dropped = told(&["status", "3"]).create().unwrap().child().clone();
    assert_eq!(dropped.wait(), Exit::Killed);
    let killed = told(&["status", "3"]).create().unwrap();
    killed.child().kill();
    assert_eq!(killed.run().wait(), Exit::Killed);
}

#[libkern::test(ids = ["P76"])]
fn memory_is_mapped_unmapped_protected_and_its_residency_read() {
    assert_eq!(run(&["memory"]), Exit::Status(0));
}

#[libkern::test(ids = ["P60"])]
fn calls_that_are_wrong_fail_with_a_reason_and_harm_nobody() {
    assert_eq!(run(&["calls"]), Exit::Status(0));
}

#[libkern::test(ids = ["K31"])]
fn a_batch_is_done_whole_and_what_must_come_first_fails_elsewhere() {
    assert_eq!(run(&["batch"]), Exit::Status(0));
}

#[libkern::test(ids = ["K25", "K27", "K20"])]
fn calls_that_block_are_done_later() {
    assert_eq!(run(&["sleep"]), Exit::Status(0));
    let sleepers: Vec<_> = (0..10).map(|_| start(&["sleep"])).collect();
    assert!(sleepers.iter().all(|child| child.wait() == Exit::Status(0)));
}

#[libkern::test]
fn a_sleep_for_ever_ends_when_it_is_aborted_or_its_process_dies() {
    assert_eq!(run(&["sleep_for_ever"]), Exit::Status(0));
    let children: Vec<_> = (0..4).map(|_| start(&["sleep_for_ever", "all"])).collect();
    kthread::sleep(Duration::from_millis(5));
    children.iter().for_each(|child| child.kill());
    assert!(children.iter().all(|child| child.wait() == Exit::Killed));
}

#[libkern::test(ids = ["P27"])]
fn a_process_that_yields_goes_on() {
    let children: Vec<_> = (0..3).map(|_| start(&["yield"])).collect();
    assert!(children.iter().all(|child| child.wait() == Exit::Status(0)));
}

#[libkern::test]
fn a_process_has_a_heap_within_its_limit() {
    assert_eq!(run(&["heap"]), Exit::Status(0));
    let exit = told(&["heap_without_end"]).memory_limit(100).run().unwrap().wait();
    assert!(matches!(exit, Exit::OutOfMemory { .. }), "{exit}");
    assert_eq!(run(&["heap"]), Exit::Status(0), "the next one is as well as ever");
}

#[libkern::test]
fn a_process_tells_the_time_as_the_kernel_does() {
    let before = Instant::now();
    let Exit::Status(told) = run(&["time", &format!("{}", before.as_nanos())]) else { panic!("it ends") };
    assert!((before.as_nanos()..=Instant::now().as_nanos()).contains(&told), "{told}");
}

#[libkern::test]
fn waiting_ends_by_what_was_there_before_and_by_an_alarm() {
    assert_eq!(run(&["wait"]), Exit::Status(0));
}

#[libkern::test(ids = ["K3"])]
fn vector_registers_survive_whatever_interrupts() {
    let children: Vec<_> = (0..cpu::count() + 2).map(|_| start(&["vectors"])).collect();
    assert!(children.iter().all(|child| child.wait() == Exit::Status(0)));
}

#[libkern::test(ids = ["K3", "K19"])]
fn registers_survive_a_call_that_blocks_wherever_the_process_goes_on() {
    assert_eq!(run(&["blocked"]), Exit::Status(0));
    // More than there are cores, so that they change places.
    let children: Vec<_> = (0..cpu::count() + 2).map(|_| start(&["blocked"])).collect();
    assert!(children.iter().all(|child| child.wait() == Exit::Status(0)));
}

#[libkern::test(ids = ["P60"])]
fn batches_that_are_not_there_are_not_taken() {
    assert_eq!(run(&["structs"]), Exit::Status(0));
}

#[libkern::test]
fn a_call_leaves_nothing_of_the_kernel_in_registers() {
    assert_eq!(run(&["residue"]), Exit::Status(0));
}

#[libkern::test(ids = ["P35", "P81", "M20"])]
fn a_process_in_an_endless_loop_is_killed() {
    let child = start(&["spin"]);
    kthread::sleep(Duration::from_millis(10));
    assert_eq!(child.try_wait(), None);
    child.kill();
    assert_eq!(child.wait(), Exit::Killed);
    child.kill();
    assert_eq!(child.wait(), Exit::Killed);
}

#[libkern::test]
fn a_process_in_an_endless_loop_lets_others_run() {
    let hogs: Vec<_> = (0..cpu::count()).map(|_| start(&["spin"])).collect();
    // The kthread that waits has a core, and so has the process that comes late.
    for _ in 0..3 {
        assert_eq!(run(&["status", "5"]), Exit::Status(5));
    }
    let working: Vec<_> = (0..3).map(|_| start(&["spin_a_while"])).collect();
    assert!(working.iter().all(|child| child.wait() == Exit::Status(0)));
    hogs.iter().for_each(|hog| hog.kill());
    assert!(hogs.iter().all(|hog| hog.wait() == Exit::Killed));
}

#[libkern::test]
fn a_process_has_its_turn_on_the_core_of_another_while_its_own_is_busy() -> Result<(), Skipped> {
    if !(2..=8).contains(&cpu::count()) {
        return skip("needs another core, and a processor for each");
    }
    // This core does not let go of this kthread, and all others have a process that goes on for ever.
    let hogs: Vec<_> = (1..cpu::count()).map(|_| start(&["spin"])).collect();
    let all_run = || hogs.iter().all(|hog| hog.stats().expect("it spins").turns > 0);
    spin_until("all others to be busy", all_run);
    let child = start(&["status", "3"]);
    spin_until("it to have had its turn", || child.try_wait().is_some());
    assert_eq!(child.wait(), Exit::Status(3));
    hogs.iter().for_each(|hog| hog.kill());
    assert!(hogs.iter().all(|hog| hog.wait() == Exit::Killed));
    Ok(())
}

#[libkern::test]
fn a_process_whose_time_is_up_dies_and_waiting_is_no_time() {
    let limit = Duration::from_millis(30);
    let hogs: Vec<_> = (0..2).map(|_| told(&["spin"]).time_limit(limit).run().unwrap()).collect();
    assert!(hogs.iter().all(|hog| hog.wait() == Exit::TimeLimit));
    // Long enough for a host that is busy with other things to have it begin.
    let waiting = told(&["wait_for_ever"]).time_limit(Duration::from_secs(1)).run().unwrap();
    kthread::sleep(Duration::from_millis(1200));
    assert_eq!(waiting.try_wait(), None);
    waiting.kill();
    assert_eq!(waiting.wait(), Exit::Killed);
    assert_eq!(told(&["status", "9"]).time_limit(Duration::MAX).run().unwrap().wait(), Exit::Status(9));
}

#[libkern::test(ids = ["P82"])]
fn a_process_is_preempted_and_its_time_is_counted() {
    let created = told(&["spin"]).create().unwrap();
    created.child().preempt();
    assert_eq!(created.child().stats(), Some(Stats::default()));
    let began = Instant::now();
    let child = created.run();
    let turns = || child.stats().expect("it runs").turns;
    sleep_until("it to run", || turns() > 0);
    for _ in 0..10 {
        let before = turns();
        child.preempt();
        sleep_until("it to have another turn", || turns() > before);
    }
    let busy = Duration::from_millis(5);
    sleep_until("it to have run for a while", || child.stats().expect("it runs").run >= busy);
    assert!(child.stats().expect("it runs").run <= began.elapsed());
    child.kill();
    assert_eq!((child.wait(), child.stats()), (Exit::Killed, None));
    child.preempt();
}

#[libkern::test(ids = ["P35"])]
fn a_process_dies_while_its_call_is_blocked() {
    for _ in 0..10 {
        let child = told(&["sleep"]).run().unwrap();
        kthread::sleep(Duration::from_micros(500));
        child.kill();
        assert!(matches!(child.wait(), Exit::Killed | Exit::Status(0)));
    }
}

#[libkern::test(ids = ["P78"])]
fn calls_that_were_not_given_fail_or_kill_as_the_parent_chose() {
    let without_null = CallSet::ALL.without(number::NULL);
    let child = told(&["null_calls", "1"]).allow(without_null).run().unwrap();
    assert_eq!(child.wait(), Exit::Status(1));
    let child = told(&["null_calls", "1"]).allow(without_null).on_denied(OnDenied::Kill).run().unwrap();
    assert_eq!(child.wait(), Exit::Denied { number: number::NULL });
    // One that may do nothing at all, not even end.
    let child = told(&["hello"]).allow(CallSet::NONE).run().unwrap();
    assert!(matches!(child.wait(), Exit::Fault(fault) if fault.vector == 6));
}

#[libkern::test(ids = ["K21", "M20", "P35"])]
fn everything_comes_back() {
    let (probe, nothing) = (probe(), nothing());
    let all = || {
        for _ in 0..100 {
            let child = Proc::create(nothing).run().unwrap();
            assert_eq!(child.wait(), Exit::Status(0));
        }
        let children: Vec<_> = (0..20).map(|_| start(&["hello"])).collect();
        let _ = probe;
        children.iter().for_each(|child| _ = child.wait());
    };
    all();
    let before = frames();
    all();
    assert_eq!(frames(), before);
}

#[libkern::test]
fn a_minimal_process_takes_few_frames() {
    let child = start(&["spin"]);
    kthread::sleep(Duration::from_millis(10));
    let used = child.used_frames().unwrap();
    child.kill();
    let _ = child.wait();
    assert!(used <= 12, "{used} frames");
}

#[libkern::test]
fn many_processes_live_at_once() -> Result<(), Skipped> {
    if libkern::mem::stats().free_bytes < 64 << 20 {
        return skip("there is no memory for a thousand processes");
    }
    let before = frames();
    let children: Vec<_> = (0..1000).map(|_| told(&["status", "7"]).create().unwrap()).collect();
    assert!(frames() - before <= 64 << 20, "{} bytes", frames() - before);
    let children: Vec<_> = children.into_iter().map(|created| created.run()).collect();
    assert!(children.iter().all(|child| child.wait() == Exit::Status(7)));
    Ok(())
}

/// A kthread that waits by looking again and again must not keep the process from running that it waits for: not where it is
/// on the only core, and not where it comes to the core that the process is on.
#[libkern::test(ids = ["K24"])]
fn a_kthread_that_looks_and_yields_keeps_no_process_from_running() {
    for _ in 0..5 {
        let child = start(&["status", "5"]);
        let began = Instant::now();
        while child.try_wait().is_none() {
            assert!(began.elapsed() < Duration::from_secs(20), "the process does not run");
            kthread::yield_now();
        }
    }
}

#[libkern::test(ids = ["K24"])]
fn a_kthread_that_comes_behind_another_message_does_not_keep_a_process_that_another_core_could_take()
-> Result<(), Skipped> {
    if cpu::count() < 2 {
        return skip("there is one core");
    }
    for free in 0..cpu::count() {
        let child = start(&["spin_a_while"]);
        let looks: Vec<_> = (0..cpu::count())
            .filter(|&core| core != free)
            .map(|core| {
                let child = child.clone();
                // It looks until the process has ended, on a core that may be the process's.
                let look = move || {
                    let began = Instant::now();
                    while child.try_wait().is_none() && began.elapsed() < Duration::from_secs(20) {
                        kthread::yield_now();
                    }
                    child.try_wait().is_some()
                };
                let looks = kthread::Builder::new().core(core).spawn(look).expect("there is memory");
                kmsg::send_routine(core, |_| ());
                looks
            })
            .collect();
        assert!(looks.into_iter().all(|looks| looks.join()), "the process does not run");
        assert_eq!(child.wait(), Exit::Status(0));
    }
    Ok(())
}

/// Longer than it takes to notice a deadlock.
#[libkern::test]
fn a_process_that_waits_for_its_alarm_is_no_deadlock() {
    let deadline = Instant::now() + Duration::from_millis(1500);
    assert_eq!(run(&["alarm", &format!("{}", deadline.as_nanos())]), Exit::Status(0));
    assert!(Instant::now() >= deadline);
}
