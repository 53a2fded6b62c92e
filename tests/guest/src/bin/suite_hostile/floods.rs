//! Taking as much as there is, and being in the way.

use alloc::vec::Vec;
use core::time::Duration;

use libkern::kthread;
use libkern::proc::{Child, Exit};

use guest_tests::hostile::support::{PAGE_FAULT, all_end_well, beside_a_sibling, fault, start, told};

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
