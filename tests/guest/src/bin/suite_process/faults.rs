//! What a process must not do, and what becomes of it.

use alloc::format;

use libkern::proc::{Exit, Fault};

use crate::support::{frames, run, told};

const DIVIDE: u8 = 0;
const DEBUG: u8 = 1;
const BREAKPOINT: u8 = 3;
const INVALID_OPCODE: u8 = 6;
const GENERAL_PROTECTION: u8 = 13;
const PAGE_FAULT: u8 = 14;
const ALIGNMENT: u8 = 17;
const STACK: u8 = 12;

fn fault(what: &[&str]) -> Fault {
    match run(what) {
        Exit::Fault(fault) => fault,
        other => panic!("{what:?}: {other}"),
    }
}

#[libkern::test(ids = ["P2"])]
fn instructions_of_the_kernel_s_kill_the_process_and_nobody_else() {
    for (name, vectors) in [
        ("cli", &[GENERAL_PROTECTION][..]),
        ("hlt", &[GENERAL_PROTECTION]),
        ("in", &[GENERAL_PROTECTION]),
        ("out", &[GENERAL_PROTECTION]),
        ("cr3", &[GENERAL_PROTECTION]),
        ("dr7", &[GENERAL_PROTECTION]),
        ("wrmsr", &[GENERAL_PROTECTION]),
        ("lgdt", &[GENERAL_PROTECTION]),
        ("invlpg", &[GENERAL_PROTECTION]),
        ("swapgs", &[GENERAL_PROTECTION, INVALID_OPCODE]),
        ("sysretq", &[GENERAL_PROTECTION, INVALID_OPCODE]),
        ("iretq", &[GENERAL_PROTECTION]),
        ("ud2", &[INVALID_OPCODE]),
        ("int3", &[BREAKPOINT]),
        ("icebp", &[DEBUG]),
        ("int 0x80", &[GENERAL_PROTECTION]),
        ("int 0xf0", &[GENERAL_PROTECTION]),
        ("div", &[DIVIDE]),
        ("tf", &[DEBUG]),
        ("ac", &[ALIGNMENT, INVALID_OPCODE]),
        ("df", &[INVALID_OPCODE]),
        ("rsp", &[STACK, GENERAL_PROTECTION, PAGE_FAULT]),
        ("noncanonical", &[GENERAL_PROTECTION, PAGE_FAULT]),
        ("gs", &[PAGE_FAULT]),
    ] {
        let fault = fault(&["instruction", name]);
        assert!(vectors.contains(&fault.vector), "{name}: {fault}");
    }
    assert_eq!(run(&["status", "1"]), Exit::Status(1), "the next one is as well as ever");
}

#[libkern::test(ids = ["P2", "P3", "P83"])]
fn memory_that_is_not_the_process_s_cannot_be_touched() {
    let kernel_text = fault as fn(&[&str]) -> Fault as usize;
    let stack = (&raw const kernel_text).addr();
    let direct_map = libkern::arch::direct_map_base();
    for how in ["read", "write", "jump"] {
        for address in [0, 8, 0xfff8, 0x7fff_ffff_e000, kernel_text, stack & !7, direct_map, usize::MAX & !7] {
            let fault = fault(&[how, &format!("{address:x}")]);
            assert_eq!((fault.vector, fault.address), (PAGE_FAULT, address), "{how} at {address:#x}");
        }
        for address in ["800000000000", "7fffffffffff0000"] {
            let fault = fault(&[how, address]);
            assert!([GENERAL_PROTECTION, PAGE_FAULT].contains(&fault.vector), "{how} at {address}: {fault}");
        }
    }
    for (how, what) in [("write", "text"), ("write", "info"), ("jump", "data"), ("jump", "stack"), ("jump", "info")] {
        assert_eq!(fault(&[how, what]).vector, PAGE_FAULT, "{how} {what}");
    }
}

#[libkern::test]
fn a_stack_that_runs_over_is_a_fault_below_it() {
    assert_eq!(fault(&["overflow"]).vector, PAGE_FAULT);
}

#[libkern::test]
fn a_process_that_panics_says_so() {
    assert_eq!(run(&["panic"]), Exit::Status(101));
}

#[libkern::test]
fn a_process_that_eats_memory_dies_of_its_limit_and_gives_all_back() {
    let before = frames();
    let exit = told(&["eat"]).memory_limit(200).run().unwrap().wait();
    assert!(matches!(exit, Exit::OutOfMemory { .. }), "{exit}");
    assert_eq!(frames(), before);
    assert!(told(&["eat"]).memory_limit(3).run().is_err());
}
