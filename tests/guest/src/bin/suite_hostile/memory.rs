//! Memory that is not the process's.

use alloc::boxed::Box;
use alloc::format;
use core::sync::atomic::{AtomicU64, Ordering};

use libkern::proc::Exit;

use guest_tests::hostile::support::{
    GENERAL_PROTECTION, PAGE_FAULT, all_end_well, beside_a_sibling, error, fault, run, start, together,
};

const READ: u64 = error::USER;
const WRITE: u64 = error::USER | error::WRITE;
const FETCH: u64 = error::USER | error::FETCH;

/// That a process dies of a page fault here, and what it tried.
fn dies_at(how: &str, address: usize) {
    let fault = fault(&[how, &format!("{address:x}")]);
    assert_eq!((fault.vector, fault.address), (PAGE_FAULT, address), "{how} at {address:#x}: {fault}");
    let expected: &[u64] = match how {
        "read" => &[READ],
        "jump" => &[FETCH],
        "write" => &[WRITE],
        // Emulators read first.
        _ => &[READ, WRITE],
    };
    assert!(expected.contains(&(fault.error & !error::PRESENT)), "{how} at {address:#x}: {fault}");
}

#[libkern::test(ids = ["P2", "P3"])]
fn null_and_what_is_near_it_cannot_be_touched() {
    for address in [0, 8, 0xff8, 0x1000, 0xfff8] {
        ["read", "write", "jump", "add"].iter().for_each(|how| dies_at(how, address));
    }
}

#[libkern::test(ids = ["P2", "P3"])]
fn the_kernel_and_its_map_of_all_memory_cannot_be_touched() {
    let text = dies_at as fn(&str, usize) as usize & !7;
    let stack = (&raw const text).addr() & !7;
    let heap = alloc::boxed::Box::new(0u64);
    let direct_map = libkern::arch::direct_map_base();
    let heap = core::ptr::from_ref(&*heap).addr();
    for address in [text, stack, heap, direct_map, direct_map + 0x10_0000, 0xffff_8000_0000_0000, usize::MAX & !7] {
        ["read", "write", "jump", "add"].iter().for_each(|how| dies_at(how, address));
    }
}

#[libkern::test]
fn addresses_between_the_halves_cannot_be_touched() {
    for how in ["read", "write", "jump", "add"] {
        dies_at(how, 0x7fff_ffff_f000);
        dies_at(how, 0x7fff_ffff_fff8);
        for address in ["800000000000", "7fffffffffff0000", "ffff7ffffffffff8"] {
            let fault = fault(&[how, address]);
            assert!([GENERAL_PROTECTION, PAGE_FAULT].contains(&fault.vector), "{how} at {address}: {fault}");
        }
    }
}

#[libkern::test(ids = ["P3"])]
fn a_process_s_own_memory_is_for_what_it_is_for() {
    for (how, what, code) in [
        ("write", "text", WRITE | error::PRESENT),
        ("add", "text", WRITE | error::PRESENT),
        ("write", "constants", WRITE | error::PRESENT),
        ("write", "info", WRITE | error::PRESENT),
        ("add", "info", WRITE | error::PRESENT),
        ("jump", "rodata", FETCH | error::PRESENT),
        ("jump", "data", FETCH | error::PRESENT),
        ("jump", "stack", FETCH | error::PRESENT),
        ("jump", "info", FETCH | error::PRESENT),
        ("jump", "slot", FETCH | error::PRESENT),
        ("read", "behind the slots", READ),
        ("write", "above the stack", WRITE),
    ] {
        let fault = fault(&[how, what]);
        assert_eq!((fault.vector, fault.error & !error::PRESENT), (PAGE_FAULT, code & !error::PRESENT), "{how} {what}");
        assert!(fault.error & error::PRESENT >= code & error::PRESENT || what == "constants", "{how} {what}: {fault}");
    }
}

#[libkern::test(ids = ["P83", "P3"])]
fn siblings_have_different_memory_at_the_same_address() {
    let exits = together(&[&["common", "aaaa"], &["common", "bbbb"], &["common", "cccc"]]);
    assert!(exits.iter().all(|exit| *exit == Exit::Status(0)), "{exits:?}");
    let died = beside_a_sibling(&"uncommon", || {
        let sibling = start(&["common", "1234"]);
        let died = start(&["uncommon"]).wait();
        assert_eq!(sibling.wait(), Exit::Status(0));
        died
    });
    assert!(matches!(died, Exit::Fault(fault) if fault.address == 0x10_0000_0000), "{died}");
}

#[libkern::test]
fn mappings_that_are_wrong_fail_with_a_reason() {
    all_end_well(&[&["mappings"], &["fixed_pages"]]);
}

#[libkern::test]
fn no_page_is_writable_and_executable() {
    let fault = fault(&["write_and_execute"]);
    assert_eq!((fault.vector, fault.error), (PAGE_FAULT, WRITE | error::PRESENT), "{fault}");
}

#[libkern::test]
fn what_was_taken_away_is_gone_at_once() {
    let fault_of = |what| fault(&[what]);
    let fault = fault_of("after_unmap");
    assert_eq!((fault.vector, fault.error), (PAGE_FAULT, READ), "{fault}");
    let fault = fault_of("after_protect");
    assert_eq!((fault.vector, fault.error), (PAGE_FAULT, WRITE | error::PRESENT), "{fault}");
}

#[libkern::test(ids = ["P60"])]
fn nonsense_in_shared_pages_harms_nobody() {
    all_end_well(&[&["slot"]]);
}

/// A page of the kernel's that looks like calls that do nothing.
#[repr(align(4096))]
struct Canary([AtomicU64; 512]);

impl Canary {
    const fn new() -> Self {
        Self([const { AtomicU64::new(0) }; 512])
    }

    fn is_alive(&self) -> bool {
        self.0.iter().all(|word| word.load(Ordering::Relaxed) == 0)
    }
}

#[libkern::test(ids = ["P60"])]
fn calls_touch_nothing_of_the_kernel_s_for_a_process() {
    static OURS: Canary = Canary::new();
    let heap = Box::new(Canary::new());
    let text = run as fn(&[&str]) -> Exit as usize;
    let direct_map = libkern::arch::direct_map_base();
    let (ours, heap_at) = ((&raw const OURS).addr(), core::ptr::from_ref(&*heap).addr());
    // What there is, what there is not, and the beginning and the end of the half.
    for at in
        [ours, ours + 4032, heap_at, text, direct_map + 0x10_0000, 0xffff_8000_0000_0000, usize::MAX - 4095, usize::MAX]
    {
        assert_eq!(run(&["kernel_pointer", &format!("{at:x}")]), Exit::Status(0), "{at:#x}");
    }
    assert!(OURS.is_alive() && heap.is_alive());
}

#[libkern::test(ids = ["P60"])]
fn calls_touch_what_is_the_process_s_and_no_byte_more() {
    all_end_well(&[&["half_mapped"], &["freed"], &["not_for_writing"], &["lengths"]]);
}

#[libkern::test]
fn memory_of_others_is_zeros_when_it_comes() {
    beside_a_sibling(&"find_marks", || {
        for _ in 0..5 {
            let marking = [start(&["mark_memory", "600"]), start(&["mark_memory", "600"])];
            let looking = start(&["find_marks", "300"]);
            assert!(marking.iter().all(|child| child.wait() == Exit::Status(0)));
            assert_eq!(start(&["find_marks", "1500"]).wait(), Exit::Status(0));
            assert_eq!(looking.wait(), Exit::Status(0));
        }
    });
}

#[libkern::test(ids = ["P83"])]
fn data_of_a_program_is_each_process_s_own() {
    for _ in 0..3 {
        let exits = together(&[&["own_data"], &["own_data"], &["own_data"]]);
        assert!(exits.iter().all(|exit| *exit == Exit::Status(0)), "{exits:?}");
    }
}

#[libkern::test]
fn the_kernel_tells_no_process_where_it_is() {
    all_end_well(&[&["kernel_addresses"]]);
}

#[libkern::test]
fn a_process_takes_from_itself_what_it_needs_and_dies_of_that() {
    for (what, code) in [
        ("text", FETCH),
        ("stack", WRITE),
        ("executing text", FETCH | error::PRESENT),
        ("writing the stack", WRITE | error::PRESENT),
    ] {
        let fault = fault(&["take_away", what]);
        assert_eq!((fault.vector, fault.error), (PAGE_FAULT, code), "{what}: {fault}");
    }
    all_end_well(&[&["take_away_all"]]);
}

#[libkern::test]
fn pages_come_as_zeros_whatever_flags_are_set() {
    all_end_well(&[&["pages_with_flags"]]);
}
