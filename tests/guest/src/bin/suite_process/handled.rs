//! What a process must not do, and handles.

use alloc::vec::Vec;
use core::time::Duration;

use libkern::proc::{Builder, Exit, Fault};
use libkern::{cpu, kthread};
use mcp_abi::call::{CallSet, number};

use crate::support;

const INVALID_OPCODE: u8 = 6;
const STACK: u8 = 12;
const GENERAL_PROTECTION: u8 = 13;
const PAGE_FAULT: u8 = 14;

fn told<'a>(what: &[&'a str]) -> Builder<'a> {
    support::told_to(support::faults(), what)
}

fn run(what: &[&str]) -> Exit {
    told(what).run().expect("there is memory for a process").wait()
}

fn fault(what: &[&str]) -> Fault {
    match run(what) {
        Exit::Fault(fault) => fault,
        other => panic!("{what:?}: {other}"),
    }
}

#[libkern::test(ids = ["P46", "P52", "P58"])]
fn a_page_that_is_missing_is_mapped_by_the_handler() {
    assert_eq!(run(&["missing"]), Exit::Status(0));
}

#[libkern::test]
fn a_page_that_may_not_be_written_is_made_writable_by_the_handler() {
    assert_eq!(run(&["read_only"]), Exit::Status(0));
}

#[libkern::test(ids = ["P52"])]
fn instructions_that_fault_are_left_out_by_the_handler() {
    assert_eq!(run(&["instructions"]), Exit::Status(0));
}

#[libkern::test(ids = ["P46"])]
fn all_registers_survive_a_fault_and_its_handler() {
    assert_eq!(run(&["registers", "10"]), Exit::Status(0));
    // More than there are cores, so that they are interrupted and change places.
    let children: Vec<_> = (0..cpu::count() + 2).map(|_| told(&["registers", "2000"]).run().unwrap()).collect();
    assert!(children.iter().all(|child| child.wait() == Exit::Status(0)));
}

#[libkern::test]
fn a_handler_chooses_where_the_program_goes_on_and_with_which_registers() {
    assert_eq!(run(&["elsewhere"]), Exit::Status(0));
    assert_eq!(run(&["steps"]), Exit::Status(0));
    assert_eq!(run(&["stack"]), Exit::Status(0));
}

#[libkern::test(ids = ["P54", "P61"])]
fn a_fault_while_notifications_are_disabled_is_the_end_with_a_report() {
    let read = fault(&["nested", "read"]);
    assert_eq!((read.vector, read.address), (PAGE_FAULT, 0x18));
    assert_eq!(fault(&["nested", "again"]).vector, INVALID_OPCODE);
    assert_eq!(fault(&["nested", "overflow"]).vector, PAGE_FAULT);
    // On an ordinary stack.
    let disabled = fault(&["disabled"]);
    assert_eq!((disabled.vector, disabled.address), (PAGE_FAULT, 0x10));
    assert_eq!(run(&["instructions"]), Exit::Status(0), "the next one is as well as ever");
}

#[libkern::test]
fn without_a_handler_a_fault_is_the_end() {
    let unset = fault(&["unset"]);
    assert_eq!(unset.vector, INVALID_OPCODE);
    assert_eq!(fault(&["bad_handler", "none"]).vector, INVALID_OPCODE);
}

#[libkern::test(ids = ["P62"])]
fn a_process_that_keeps_faulting_in_its_handler_harms_only_itself() {
    let round: Vec<_> = (0..cpu::count()).map(|_| told(&["round"]).run().unwrap()).collect();
    kthread::sleep(Duration::from_millis(20));
    assert_eq!(run(&["missing"]), Exit::Status(0), "others have their turns");
    assert!(round.iter().all(|child| child.try_wait().is_none()));
    round.iter().for_each(|child| child.kill());
    assert!(round.iter().all(|child| child.wait() == Exit::Killed));
}

#[libkern::test(ids = ["P60"])]
fn a_handler_that_is_none_is_refused_or_the_end_of_the_process() {
    let entry = fault(&["bad_handler", "entry"]);
    assert_eq!((entry.vector, entry.address), (PAGE_FAULT, 0x20));
    let stack = fault(&["bad_handler", "stack"]);
    assert_eq!((stack.vector, stack.address), (PAGE_FAULT, 0x28));
}

#[libkern::test(ids = ["P60"])]
fn a_context_that_the_process_has_written_is_gone_on_with_as_far_as_it_may() {
    for how in ["nothing", "no vectors", "some vectors", "flags", "no flags", "mxcsr", "x87", "mask", "fs own"] {
        assert_eq!(run(&["forged", how]), Exit::Status(0), "{how}");
    }
    let nowhere = fault(&["forged", "rip nowhere"]);
    assert_eq!((nowhere.vector, nowhere.address), (PAGE_FAULT, 0x1000));
    for how in ["rsp kernel", "rsp"] {
        let fault = fault(&["forged", how]);
        assert!([STACK, GENERAL_PROTECTION, PAGE_FAULT].contains(&fault.vector), "{how}: {fault}");
    }
}

#[libkern::test(ids = ["P60"])]
fn a_context_that_no_processor_goes_on_with_kills_the_process() {
    for how in ["rip", "rip end", "rip kernel", "rip all", "fs", "fs kernel"] {
        let fault = fault(&["forged", how]);
        assert_eq!((fault.vector, fault.error, fault.address), (GENERAL_PROTECTION, 0, 0), "{how}: {fault}");
    }
    // Without XSAVE there is no header, and what is there is not looked at.
    let has_header = run(&["xsave"]) == Exit::Status(1);
    let headers = [
        "components 3",
        "components 9",
        "components 63",
        "components all",
        "compact",
        "compact all",
        "header",
        "header end",
        "all",
    ];
    for how in headers {
        match run(&["forged", how]) {
            Exit::Fault(fault) if has_header => assert_eq!(fault.vector, GENERAL_PROTECTION, "{how}: {fault}"),
            Exit::Status(0) if !has_header => {}
            other => panic!("{how}: {other}"),
        }
    }
}

#[libkern::test]
fn going_on_is_a_call_like_others() {
    assert_eq!(run(&["not_first"]), Exit::Status(0));
    let without = CallSet::ALL.without(number::RESUME);
    assert_eq!(told(&["may_not_resume"]).allow(without).run().unwrap().wait(), Exit::Status(101));
    let without = CallSet::ALL.without(number::SET_FAULT_HANDLER);
    assert_eq!(told(&["may_not_resume"]).allow(without).run().unwrap().wait(), Exit::Status(900));
}
