//! What registers tell.

use alloc::vec::Vec;

use libkern::cpu;
use libkern::proc::{Child, Exit, Proc, Program};

use guest_tests::hostile::support::{all_end_well, beside_a_sibling, start};

#[libkern::test]
fn a_process_begins_with_nothing_in_its_registers() {
    let program = Program::load(libkern::include_program!("fresh")).expect("the program is right");
    beside_a_sibling(&"fresh", || {
        let markers: Vec<_> = (0..cpu::count() + 1).map(|_| start(&["mark_registers", "30"])).collect();
        for _ in 0..50 {
            let exit = Proc::create(&program).name("fresh").run().expect("there is memory").wait();
            assert_eq!(exit, Exit::Status(0));
        }
        markers.iter().for_each(Child::kill);
        markers.iter().for_each(|marker| _ = marker.wait());
    });
}

#[libkern::test(ids = ["K3"])]
fn calls_leave_nothing_in_registers_whatever_runs_meanwhile() {
    beside_a_sibling(&"residue", || {
        let markers: Vec<_> = (0..cpu::count() + 1).map(|_| start(&["mark_registers", "50"])).collect();
        for _ in 0..10 {
            assert_eq!(start(&["residue"]).wait(), Exit::Status(0));
            assert_eq!(start(&["controls"]).wait(), Exit::Status(0));
        }
        markers.iter().for_each(Child::kill);
        markers.iter().for_each(|marker| _ = marker.wait());
    });
}

#[libkern::test]
fn deadlines_at_the_ends_of_time_harm_nobody() {
    all_end_well(&[&["time"]]);
}
