//! Instructions of the kernel's, and those that raise exceptions.

use alloc::format;
use core::arch::x86_64::__cpuid;

use libkern::proc::{Exit, Fault};

use guest_tests::hostile::support::{
    BREAKPOINT, DEBUG, DIVIDE, GENERAL_PROTECTION, INVALID_OPCODE, PAGE_FAULT, SIMD, STACK, X87, error, fault, run,
};

/// Each of these instructions kills its process with this exception and this error code.
fn all_die(attempts: &[(&str, u8, u64)]) {
    for &(name, vector, code) in attempts {
        let fault = fault(&["instruction", name]);
        assert_eq!((fault.vector, fault.error), (vector, code), "{name}: {fault}");
    }
}

/// As [`all_die`], where processors differ.
fn each_dies_of_one_of(attempts: &[(&str, &[u8])]) {
    for &(name, vectors) in attempts {
        let fault = fault(&["instruction", name]);
        assert!(vectors.contains(&fault.vector), "{name}: {fault}");
    }
}

/// Of what instructions die that came with XSAVE: without it there are none such.
fn general_protection_with_xsave() -> u8 {
    const XSAVE: u32 = 1 << 26;
    if __cpuid(1).ecx & XSAVE != 0 { GENERAL_PROTECTION } else { INVALID_OPCODE }
}

#[libkern::test(ids = ["P2"])]
fn privileged_instructions_are_protection_faults() {
    const NAMES: [&str; 32] = [
        "cli",
        "sti",
        "hlt",
        "in al, imm",
        "in eax, dx",
        "out imm, al",
        "out dx, eax",
        "insb",
        "outsb",
        "read cr0",
        "read cr2",
        "read cr3",
        "read cr4",
        "read cr8",
        "write cr0",
        "write cr3",
        "write cr4",
        "write cr8",
        "read dr0",
        "write dr0",
        "write dr7",
        "rdmsr",
        "wrmsr",
        "lgdt",
        "lidt",
        "lldt",
        "ltr",
        "lmsw",
        "clts",
        "invlpg",
        "swapgs",
        "sysretq",
    ];
    NAMES.iter().for_each(|name| all_die(&[(name, GENERAL_PROTECTION, 0)]));
    all_die(&[("xsetbv", general_protection_with_xsave(), 0)]);
}

#[libkern::test(ids = ["P2"])]
fn instructions_that_are_not_there_for_processes_are_refused() {
    each_dies_of_one_of(&[
        ("sysexit", &[GENERAL_PROTECTION, INVALID_OPCODE]),
        ("sysenter", &[GENERAL_PROTECTION, INVALID_OPCODE]),
        ("rsm", &[INVALID_OPCODE]),
        ("monitor", &[INVALID_OPCODE, GENERAL_PROTECTION]),
        ("mwait", &[INVALID_OPCODE, GENERAL_PROTECTION]),
        ("stac", &[INVALID_OPCODE]),
        ("clac", &[INVALID_OPCODE]),
        ("vmcall", &[INVALID_OPCODE]),
        ("vmmcall", &[INVALID_OPCODE, GENERAL_PROTECTION]),
        ("vmrun", &[INVALID_OPCODE, GENERAL_PROTECTION]),
        ("vmxoff", &[INVALID_OPCODE, GENERAL_PROTECTION]),
        ("clgi", &[INVALID_OPCODE, GENERAL_PROTECTION]),
        ("rdpmc", &[GENERAL_PROTECTION, INVALID_OPCODE]),
        ("rdfsbase", &[INVALID_OPCODE]),
        ("wrfsbase", &[INVALID_OPCODE]),
        ("wrgsbase", &[INVALID_OPCODE]),
        ("rdpkru", &[INVALID_OPCODE]),
        ("invpcid", &[GENERAL_PROTECTION, INVALID_OPCODE]),
    ]);
    // Where the tables are, a process is told only by processors that cannot be told otherwise.
    for name in ["sgdt", "sidt", "sldt", "str", "smsw"] {
        match run(&["instruction", name]) {
            Exit::Fault(fault) => assert_eq!(fault.vector, GENERAL_PROTECTION, "{name}: {fault}"),
            other => panic!("{name}: {other}, on a processor that can forbid it"),
        }
    }
}

#[libkern::test]
fn exceptions_kill_the_process_and_nobody_else() {
    all_die(&[
        ("ud0", INVALID_OPCODE, 0),
        ("ud1", INVALID_OPCODE, 0),
        ("ud2", INVALID_OPCODE, 0),
        ("bound", INVALID_OPCODE, 0),
        ("lock without memory", INVALID_OPCODE, 0),
        ("lock on a load", INVALID_OPCODE, 0),
        ("a prefix too many", GENERAL_PROTECTION, 0),
        ("int3", BREAKPOINT, 0),
        ("int 3", BREAKPOINT, 0),
        ("icebp", DEBUG, 0),
        ("trap flag", DEBUG, 0),
        ("divide by zero", DIVIDE, 0),
        ("divide with overflow", DIVIDE, 0),
        ("x87 exception", X87, 0),
        ("x87 exception after a call", X87, 0),
        ("x87 exception after a while", X87, 0),
        ("reserved bits of xrstor", general_protection_with_xsave(), 0),
        ("unaligned movaps", GENERAL_PROTECTION, 0),
    ]);
    // What emulators take for instructions that do nothing.
    for (name, expected) in [
        ("into", INVALID_OPCODE),
        ("sse exception", SIMD),
        ("reserved bits of mxcsr", GENERAL_PROTECTION),
        ("fxrstor with reserved bits", GENERAL_PROTECTION),
        ("invd", GENERAL_PROTECTION),
        ("wbinvd", GENERAL_PROTECTION),
    ] {
        let exit = run(&["instruction", name]);
        let is_right = match exit {
            Exit::Fault(Fault { vector, .. }) => vector == expected,
            _ => exit == Exit::Status(0),
        };
        assert!(is_right, "{name}: {exit}");
    }
    let fault = fault(&["across_pages"]);
    assert_eq!((fault.vector, fault.error), (PAGE_FAULT, error::USER | error::FETCH), "{fault}");
    assert_eq!((fault.address, fault.rip), (fault.rip + 4, fault.address - 4), "{fault}");
}

#[libkern::test(ids = ["P2"])]
fn no_interrupt_can_be_raised_by_an_instruction_but_the_breakpoint() {
    for vector in 0..256u64 {
        let fault = fault(&["int_n", &format!("{vector:x}")]);
        let expected = if vector == 3 { (BREAKPOINT, 0) } else { (GENERAL_PROTECTION, vector * 8 + 2) };
        assert_eq!((fault.vector, fault.error), expected, "int {vector}: {fault}");
    }
}

#[libkern::test(ids = ["P2"])]
fn segments_and_far_transfers_lead_nowhere() {
    all_die(&[
        ("iretq to the kernel", GENERAL_PROTECTION, 8),
        ("iretq without a stack segment", GENERAL_PROTECTION, 0),
        ("retf to the kernel", GENERAL_PROTECTION, 8),
        ("retf to the task", GENERAL_PROTECTION, 0x28),
        ("retf to data", GENERAL_PROTECTION, 0x18),
        ("retf to nothing", GENERAL_PROTECTION, 0),
        ("retf to a local segment", GENERAL_PROTECTION, 0x24),
        ("retf behind the table", GENERAL_PROTECTION, 0xfff8),
        ("call far to the kernel", GENERAL_PROTECTION, 8),
        ("ds of the kernel", GENERAL_PROTECTION, 0x10),
        ("es of code", GENERAL_PROTECTION, 8),
        ("fs of the task", GENERAL_PROTECTION, 0x28),
        ("gs behind the table", GENERAL_PROTECTION, 0xfff8),
        ("ds of a local segment", GENERAL_PROTECTION, 0x0c),
        ("ss of nothing", GENERAL_PROTECTION, 0),
        ("ss of the kernel", GENERAL_PROTECTION, 0x10),
    ]);
    assert_eq!(run(&["instruction", "iretq with IOPL and VM"]), Exit::Status(0));
    for name in ["gs", "fs"] {
        let fault = fault(&["instruction", name]);
        assert_eq!((fault.vector, fault.address), (PAGE_FAULT, if name == "fs" { 8 } else { 0 }), "{name}: {fault}");
    }
}

#[libkern::test(ids = ["P2"])]
fn addresses_that_are_none_kill_the_process_and_nobody_else() {
    each_dies_of_one_of(&[
        ("iretq to nowhere", &[GENERAL_PROTECTION, PAGE_FAULT]),
        ("jump to where no address is", &[GENERAL_PROTECTION, PAGE_FAULT]),
        ("return to where no address is", &[GENERAL_PROTECTION, PAGE_FAULT]),
        ("push to where no address is", &[STACK, GENERAL_PROTECTION, PAGE_FAULT]),
        ("stack in the kernel", &[PAGE_FAULT]),
        ("no stack", &[PAGE_FAULT, STACK, GENERAL_PROTECTION]),
    ]);
}

#[libkern::test(ids = ["P2", "P3"])]
fn no_instruction_touches_the_kernel_for_a_process() {
    const HALF: usize = 0xffff_8000_0000_0000;
    for (name, code) in [
        ("fxsave to the kernel", error::WRITE),
        ("fxrstor from the kernel", 0),
        ("cmpxchg16b in the kernel", error::WRITE),
        ("maskmovdqu to the kernel", error::WRITE),
        ("movnti to the kernel", error::WRITE),
        ("call through the kernel", 0),
        ("pop to the kernel", error::WRITE),
        ("rep movsb from the kernel", 0),
        ("rep stosb to the kernel", error::WRITE),
        ("rep stosb downwards into the kernel", error::WRITE),
    ] {
        let fault = fault(&["instruction", name]);
        assert_eq!((fault.vector, fault.address & !4095), (PAGE_FAULT, HALF), "{name}: {fault}");
        // Emulators read first what they write then.
        let tried = fault.error & !error::PRESENT;
        assert!(tried == error::USER | code || tried == error::USER, "{name}: {fault}");
    }
    assert_eq!(run(&["instruction", "prefetch of the kernel"]), Exit::Status(0));
}
