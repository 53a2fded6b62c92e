//! Which number is which call.

use mcp_abi::call::{Error, MAX_CALLS, number};

use super::{basic, fault, handles, memory};
use crate::proc::Proc;

/// What does a call: with the process and the call's address, whose arguments it reads; gives the call's result.
///
/// Interrupts are off. It may block; then interrupts are on, and it must not use what is the core's.
pub(super) type Run = extern "C" fn(&Proc, usize) -> i64;

extern "C" fn no_such_call(_: &Proc, _: usize) -> i64 {
    Error::NoSuchCall.to_result()
}

extern "C" fn not_first(_: &Proc, _: usize) -> i64 {
    Error::NotFirst.to_result()
}

/// Calls by number, where they are the first of a batch.
pub(super) static FIRST: [Run; MAX_CALLS] = table(false);

/// Calls by number, where they are not: those that do something to the core that the batch runs on fail.
pub(super) static BEHIND: [Run; MAX_CALLS] = table(true);

const fn table(is_behind: bool) -> [Run; MAX_CALLS] {
    let mut table: [Run; MAX_CALLS] = [no_such_call; MAX_CALLS];
    let calls: [(u32, Run); 19] = [
        (number::NULL, basic::null),
        (number::SLEEP, basic::sleep),
        (number::ABORT, basic::abort),
        (number::NOW, basic::now),
        (number::MAP, memory::map),
        (number::UNMAP, memory::unmap),
        (number::PROTECT, memory::protect),
        (number::RESIDENT, memory::resident),
        (number::CLOSE, handles::close),
        (number::DUPLICATE, handles::duplicate),
        (number::READ, handles::read),
        (number::WRITE, handles::write),
        (number::SIGNAL, handles::signal),
        (number::TRANSFER, handles::transfer),
        (number::RECEIVE, handles::receive),
        (number::CHILD_KILL, handles::child_kill),
        (number::CHILD_WAIT, handles::child_wait),
        (number::WRITE_CONSOLE, basic::write_console),
        (number::SET_FAULT_HANDLER, fault::set_fault_handler),
    ];
    let mut at = 0;
    while at < calls.len() {
        table[calls[at].0 as usize] = calls[at].1;
        at += 1;
    }
    let first: [(u32, Run); 5] = [
        (number::EXIT, basic::exit),
        (number::YIELD, basic::yield_core),
        (number::WAIT, basic::wait),
        (number::SIGNAL_AND_WAIT, handles::signal_and_wait),
        (number::RESUME, fault::resume),
    ];
    let mut at = 0;
    while at < first.len() {
        table[first[at].0 as usize] = if is_behind { not_first } else { first[at].1 };
        at += 1;
    }
    table
}
