//! Making attempts.

use alloc::sync::Arc;
use alloc::vec::Vec;

use libkern::kthread::sync::OnceLock;
use libkern::mem::{self, FrameUse};
use libkern::proc::{Builder, Child, Exit, Fault, Proc, Program};

/// Vector of the divide error.
pub const DIVIDE: u8 = 0;
/// Of the debug exception.
pub const DEBUG: u8 = 1;
/// Of the breakpoint.
pub const BREAKPOINT: u8 = 3;
/// Of the invalid opcode.
pub const INVALID_OPCODE: u8 = 6;
/// Of the stack fault.
pub const STACK: u8 = 12;
/// Of the general protection fault.
pub const GENERAL_PROTECTION: u8 = 13;
/// Of the page fault.
pub const PAGE_FAULT: u8 = 14;
/// Of the x87 error.
pub const X87: u8 = 16;
/// Of the SIMD error.
pub const SIMD: u8 = 19;

/// Bits of a page fault's error code.
pub mod error {
    /// Something is mapped there.
    pub const PRESENT: u64 = 1;
    /// It was written.
    pub const WRITE: u64 = 2;
    /// By a process.
    pub const USER: u64 = 4;
    /// It was executed.
    pub const FETCH: u64 = 16;
}

/// Rounds of the checksum: some milliseconds, more than a turn.
const ROUNDS: &str = "600";

static HOSTILE: OnceLock<Arc<Program>> = OnceLock::new();

/// The program that makes attempts.
pub fn program() -> &'static Arc<Program> {
    HOSTILE.get_or_init(|| Program::load(libkern::include_program!("hostile")).expect("the program is right"))
}

/// A process that makes an attempt.
pub fn told<'a>(what: &[&'a str]) -> Builder<'a> {
    let named = Proc::create(program()).name(what[0]);
    what.iter().fold(named, |builder, arg| builder.arg(arg))
}

/// Starts a process that makes an attempt.
pub fn start(what: &[&str]) -> Child {
    told(what).run().expect("there is memory for a process")
}

/// Frames that processes have, or programs.
pub fn frames() -> usize {
    mem::stats().used(FrameUse::Processes)
}

/// What the sibling computes where nobody disturbs it.
fn undisturbed() -> Exit {
    static SUM: OnceLock<Exit> = OnceLock::new();
    *SUM.get_or_init(|| start(&["checksum", ROUNDS]).wait())
}

/// Has `attempt` made while a sibling computes, and sees to it that nobody but who made it was harmed.
pub fn beside_a_sibling<R>(what: &dyn core::fmt::Debug, attempt: impl FnOnce() -> R) -> R {
    let expected = undisturbed();
    assert!(matches!(expected, Exit::Status(sum) if sum >> 63 == 1), "{expected}");
    let before = frames();
    let sibling = start(&["checksum", ROUNDS]);
    let result = attempt();
    assert_eq!(sibling.wait(), expected, "the sibling of {what:?}");
    assert_eq!(frames(), before, "frames after {what:?}");
    result
}

/// How a process ends that makes an attempt.
pub fn run(what: &[&str]) -> Exit {
    beside_a_sibling(&what, || start(what).wait())
}

/// The exception of which a process dies that makes an attempt.
pub fn fault(what: &[&str]) -> Fault {
    match run(what) {
        Exit::Fault(fault) => fault,
        other => panic!("{what:?}: {other}"),
    }
}

/// Attempts after which a process ends by itself, having seen what it should.
pub fn all_end_well(attempts: &[&[&str]]) {
    for what in attempts {
        assert_eq!(run(what), Exit::Status(0), "{what:?}");
    }
}

/// Several attempts at once; how they ended.
pub fn together(what: &[&[&str]]) -> Vec<Exit> {
    beside_a_sibling(&what, || {
        let children: Vec<_> = what.iter().map(|what| start(what)).collect();
        children.iter().map(Child::wait).collect()
    })
}
