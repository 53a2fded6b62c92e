//! System calls that are wrong, and from where nobody makes them.

use libkern::proc::{Exit, OnDenied};
use mcp_abi::call::{CallSet, number};

use guest_tests::hostile::support::{
    DEBUG, INVALID_OPCODE, PAGE_FAULT, all_end_well, beside_a_sibling, error, fault, run, told,
};

#[libkern::test(ids = ["P78"])]
fn every_number_of_a_call_is_one_or_fails() {
    all_end_well(&[&["all_numbers"]]);
}

#[libkern::test(ids = ["P60"])]
fn calls_with_garbled_arguments_harm_nobody() {
    all_end_well(&[&["garbled_arguments"]]);
}

#[libkern::test(ids = ["P60"])]
fn batches_that_are_none_are_not_taken() {
    all_end_well(&[&["batches_nowhere"], &["batch_half_mapped"], &["read_only_call"], &["call_in_shared_pages"]]);
}

#[libkern::test(ids = ["P60", "K31"])]
fn batches_that_change_while_they_are_read_harm_nobody() {
    all_end_well(&[
        &["overlapping_batch"],
        &["batch_that_changes"],
        &["batch_that_unmaps_itself"],
        &["changed_while_blocked"],
        &["unmapped_while_blocked"],
    ]);
}

#[libkern::test]
fn events_for_nobody_and_aborts_of_nothing_harm_nobody() {
    all_end_well(&[&["events_to_nobody"], &["aborts"]]);
}

#[libkern::test(ids = ["K31", "P35"])]
fn a_process_ends_among_its_calls() {
    assert_eq!(run(&["exit_behind"]), Exit::Status(78));
    assert_eq!(run(&["exit_while_blocked"]), Exit::Status(79));
}

#[libkern::test]
fn flags_of_all_sorts_come_through_calls_and_interrupts() {
    all_end_well(&[&["flags"]]);
    let fault = fault(&["trap_flag"]);
    assert_eq!(fault.vector, DEBUG, "{fault}");
}

#[libkern::test]
fn stack_pointers_of_all_sorts_come_through_calls_and_interrupts() {
    all_end_well(&[&["stack_pointers"]]);
    for sp in ["0", "7", "800000000000", "ffff800000000000", "ffffffffffffffff"] {
        all_end_well(&[&["interrupted_without_a_stack", sp]]);
        let fault = fault(&["fault_without_a_stack", sp]);
        assert_eq!((fault.vector, fault.rsp), (INVALID_OPCODE, usize::from_str_radix(sp, 16).unwrap()), "{fault}");
    }
}

#[libkern::test]
fn behind_the_last_instruction_of_the_half_is_nothing() {
    const END: usize = 0x7fff_ffff_f000;
    for what in ["syscall", "nop", "jump", "half"] {
        let fault = fault(&["end_of_the_half", what]);
        let rip = if what == "half" { END - 2 } else { END };
        assert_eq!((fault.vector, fault.address, fault.rip), (PAGE_FAULT, END, rip), "{what}: {fault}");
        assert_eq!(fault.error & !error::PRESENT, error::USER | error::FETCH, "{what}: {fault}");
    }
}

#[libkern::test]
fn selectors_and_registers_of_all_sorts_come_through_calls() {
    all_end_well(&[&["segments"], &["garbage_in_registers"]]);
    let fault = fault(&["behind_mov_ss"]);
    assert_eq!(fault.vector, DEBUG, "{fault}");
}

#[libkern::test]
fn exceptions_that_a_process_unmasks_are_its_own() {
    all_end_well(&[&["unmasked_exceptions"]]);
}

/// Nothing, the end and sleeping.
fn hardly_anything() -> CallSet {
    (0..256)
        .filter(|given| ![number::NULL, number::EXIT, number::SLEEP].contains(given))
        .fold(CallSet::ALL, CallSet::without)
}

#[libkern::test(ids = ["P78"])]
fn calls_that_were_not_given_do_nothing_wherever_they_stand() {
    let exit = beside_a_sibling(&"denied", || told(&["denied"]).allow(hardly_anything()).run().unwrap().wait());
    assert_eq!(exit, Exit::Status(0));
    for how in ["one that ends", "one that blocks"] {
        let exit = beside_a_sibling(&how, || {
            told(&["denied_behind", how]).allow(hardly_anything()).on_denied(OnDenied::Kill).run().unwrap().wait()
        });
        assert_eq!(exit, Exit::Denied { number: number::YIELD }, "{how}");
    }
}
