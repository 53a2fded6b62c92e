//! Taking as much as there is, and being in the way.

use alloc::format;
use alloc::vec::Vec;
use core::time::Duration;

use libkern::mem::space::SpaceError;
use libkern::proc::{Child, CreateError, Created, Exit};
use libkern::testing::{Skipped, skip};
use libkern::{kthread, mem, time};

use guest_tests::hostile::support::{PAGE_FAULT, all_end_well, beside_a_sibling, fault, frames, run, start, told};

/// How a process ends that may have so many frames.
fn limited(what: &[&str], frames: usize) -> Exit {
    beside_a_sibling(&what, || told(what).memory_limit(frames).run().expect("there is memory").wait())
}

#[libkern::test]
fn memory_ends_at_the_limit() {
    for what in ["eat", "eat_tables"] {
        let exit = limited(&[what], 300);
        assert!(matches!(exit, Exit::OutOfMemory { .. }), "{what}: {exit}");
    }
    assert_eq!(limited(&["eat_by_calls"], 300), Exit::Status(0));
}

#[libkern::test]
fn memory_that_several_eat_ends_where_the_machine_s_does() {
    // Whoever comes last dies; those that are left go on.
    let exits = beside_a_sibling(&"eaters", || {
        let eaters: Vec<_> = (0..3).map(|_| told(&["eat"]).memory_limit(1 << 16).run().unwrap()).collect();
        eaters.iter().map(Child::wait).collect::<Vec<_>>()
    });
    assert!(exits.iter().all(|exit| matches!(exit, Exit::OutOfMemory { .. })), "{exits:?}");
}

#[libkern::test]
fn a_stack_ends_where_it_ends() {
    assert_eq!(fault(&["recursion"]).vector, PAGE_FAULT);
}

#[libkern::test]
fn regions_end_at_their_limit() {
    all_end_well(&[&["regions"], &["splits"]]);
}

#[libkern::test]
fn calls_that_block_end_at_their_limit() {
    all_end_well(&[&["blocked_calls"]]);
}

#[libkern::test]
fn what_is_printed_tells_the_terminal_nothing() {
    all_end_well(&[&["console"]]);
}

#[libkern::test(ids = ["P35"])]
fn processes_end_while_their_siblings_map() {
    beside_a_sibling(&"map_and_exit", || {
        let mapping: Vec<_> = (0..2).map(|_| start(&["map_for_ever"])).collect();
        for _ in 0..20 {
            let ending: Vec<_> = ["3", "0"].iter().map(|rounds| start(&["map_and_exit", rounds])).collect();
            assert!(ending.iter().all(|child| child.wait() == Exit::Status(80)));
            let child = start(&["map_for_ever"]);
            kthread::sleep(Duration::from_micros(300));
            child.kill();
            assert_eq!(child.wait(), Exit::Killed);
        }
        mapping.iter().for_each(Child::kill);
        assert!(mapping.iter().all(|child| child.wait() == Exit::Killed));
    });
}

#[libkern::test(ids = ["P35", "M20"])]
fn those_that_never_end_are_killed() {
    for what in ["calls_for_ever", "stubborn", "sleep_for_ever", "map_for_ever", "blocked_calls"] {
        beside_a_sibling(&what, || {
            let children: Vec<_> = (0..3).map(|_| start(&[what])).collect();
            kthread::sleep(Duration::from_millis(2));
            children.iter().for_each(Child::kill);
            for child in children {
                let exit = child.wait();
                assert!(exit == Exit::Killed || what == "blocked_calls", "{what}: {exit}");
            }
        });
    }
}

/// What processes do beyond their limits, and the machine's.
const SORTS: [&[&str]; 12] = [
    &["eat_by_calls"],
    &["eat_tables"],
    &["recursion"],
    &["regions"],
    &["splits"],
    &["aborts"],
    &["exit_while_blocked"],
    &["unmapped_while_blocked"],
    &["batch_that_unmaps_itself"],
    &["random_calls", "77", "50000"],
    &["pages_with_flags"],
    &["unmasked_exceptions"],
];

#[libkern::test(ids = ["P35", "M20"])]
fn processes_are_killed_at_any_moment() {
    for what in SORTS {
        beside_a_sibling(&what, || {
            for step in 0..8u32 {
                let child = start(what);
                kthread::sleep(Duration::from_micros(17) * 3u32.pow(step));
                child.kill();
                // It may have come to its end before.
                let _ = child.wait();
            }
        });
    }
}

#[libkern::test(ids = ["P82"])]
fn processes_that_lose_their_cores_all_the_time_notice_nothing() {
    for what in
        [&["flags"][..], &["unmasked_exceptions"], &["pages_with_flags"], &["half_mapped"], &["overlapping_batch"]]
    {
        beside_a_sibling(&what, || {
            let child = start(what);
            while child.try_wait().is_none() {
                child.preempt();
                kthread::sleep(Duration::from_micros(50));
            }
            assert_eq!(child.wait(), Exit::Status(0), "{what:?}");
        });
    }
}

#[libkern::test]
fn calls_that_block_where_there_is_no_memory_harm_nobody() {
    let exits = beside_a_sibling(&"hold_and_block", || {
        let holders: Vec<_> = (0..3).map(|_| told(&["hold_and_block"]).memory_limit(1 << 20).run().unwrap()).collect();
        holders.iter().map(Child::wait).collect::<Vec<_>>()
    });
    // One that needs a page just then dies of it.
    let is_right = |exit: &Exit| matches!(exit, Exit::Status(0) | Exit::OutOfMemory { .. });
    assert!(exits.iter().all(is_right), "{exits:?}");
}

#[libkern::test(ids = ["P35"])]
fn alarms_end_with_their_processes() {
    beside_a_sibling(&"alarms", || {
        let now = format!("{}", time::Instant::now().as_nanos());
        let children: Vec<_> = (0..3).map(|_| start(&["alarms", &now])).collect();
        while children.iter().any(|child| child.try_wait().is_none()) {
            children.iter().for_each(Child::preempt);
            kthread::sleep(Duration::from_micros(200));
        }
        assert!(children.iter().all(|child| child.wait() == Exit::Status(82)));
        let ending: Vec<_> = (0..20).map(|_| start(&["exit_with_alarm", "83"])).collect();
        assert!(ending.iter().all(|child| child.wait() == Exit::Status(83)));
    });
}

#[libkern::test]
fn nobody_dodges_the_limit_to_its_time() {
    for how in ["by sleeping", "by yielding", "by batches", "by batches that block"] {
        let limit = Duration::from_millis(15);
        let exit = beside_a_sibling(&how, || told(&["dodge", how]).time_limit(limit).run().unwrap().wait());
        assert_eq!(exit, Exit::TimeLimit, "{how}");
    }
}

#[libkern::test(ids = ["P35"])]
fn a_status_is_whatever_the_process_said() {
    for status in [0, 1, 255, 1 << 32, 1 << 63, u64::MAX - 14, u64::MAX] {
        assert_eq!(run(&["status", &format!("{status}")]), Exit::Status(status));
    }
}

#[libkern::test(ids = ["M20"])]
fn processes_made_without_end_end_where_memory_does() -> Result<(), Skipped> {
    if mem::stats().free_bytes > 256 << 20 {
        return skip("there is memory for more processes than one has time for");
    }
    let before = frames();
    let mut made = Vec::new();
    let error = loop {
        match told(&["status", "84"]).create() {
            Ok(created) => made.push(created),
            Err(error) => break error,
        }
    };
    assert_eq!(error, CreateError::Space(SpaceError::OutOfMemory));
    // All that they want is a page or two more, which the first do not find, and those find that come later.
    let children: Vec<_> = made.into_iter().map(Created::run).collect();
    let exits: Vec<_> = children.iter().map(Child::wait).collect();
    let is_right = |exit: &Exit| matches!(exit, Exit::Status(84) | Exit::OutOfMemory { .. });
    assert!(exits.iter().all(is_right), "{:?}", exits.iter().find(|exit| !is_right(exit)));
    assert!(exits.contains(&Exit::Status(84)));
    assert_eq!(frames(), before);
    Ok(())
}
