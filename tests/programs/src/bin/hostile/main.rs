//! Attempts on the kernel and on other processes: the first argument says which.
//!
//! One program, because one for each attempt would add nothing to them but the start that they share. What becomes of an
//! attempt, the suite that runs it says (`suite_hostile`). One that comes through ends with status 0; one that finds that
//! something is not as it should be, with the number of the line where it noticed.

#![no_std]
#![no_main]

mod calls;
mod floods;
mod instructions;
mod memory;
mod pointers;
mod random;
mod registers;
mod states;
mod support;

use libmcp::process;

use support::Outcome;

libmcp::program!(main);

/// The status of an attempt that nobody knows.
const UNKNOWN: u64 = 1_000_000;

type Attempt = fn(&str, &[&str]) -> Option<Outcome>;

const ATTEMPTS: [Attempt; 8] = [
    instructions::attempt,
    memory::attempt,
    pointers::attempt,
    calls::attempt,
    states::attempt,
    registers::attempt,
    floods::attempt,
    random::attempt,
];

fn main() {
    let mut args = [""; 4];
    for (place, arg) in args.iter_mut().zip(process::args()) {
        *place = arg;
    }
    let outcome = ATTEMPTS.iter().find_map(|attempt| attempt(args[0], &args[1..]));
    process::exit(match outcome {
        Some(Ok(status)) => status,
        Some(Err(line)) => line.into(),
        None => UNKNOWN,
    });
}
