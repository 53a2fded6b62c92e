//! Exceptions of the kernel: what happened, where, and what it probably was.

use core::fmt;

use super::panic::{self, Origin};
use crate::arch::traps::{TrapFrame, exception_name};
use crate::arch::{PAGE_SIZE, core_block, paging};
use crate::kthread;

const PAGE_FAULT: u64 = 14;
const DOUBLE_FAULT: u64 = 8;

/// Addresses this low are offsets from null.
const NULL_END: u64 = 64 * 1024;

/// Ends the image over an exception. None that the kernel causes is expected yet.
pub(super) fn exception(frame: &TrapFrame, address: u64) -> ! {
    panic::die(format_args!("{}", Report { frame, address }), Origin::Trap(frame))
}

/// The sentence that describes an exception.
struct Report<'a> {
    frame: &'a TrapFrame,
    address: u64,
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { frame, address } = *self;
        if let Some(stack) = overflown_stack(frame, address) {
            let (lo, hi) = stack;
            let len = (hi - lo) / 1024;
            return write!(
                f,
                "stack overflow of {}, whose stack is {len} KiB, at {:#x}",
                kthread::current_description(),
                frame.rip
            );
        }
        let name = exception_name(frame.vector).unwrap_or("unknown exception");
        if frame.vector != PAGE_FAULT {
            return write!(f, "{name} (error code {:#x}) at {:#x}", frame.error, frame.rip);
        }
        let access = Access::of(frame.error);
        let what = match paging::try_translate(address as usize) {
            _ if address < NULL_END => "a null pointer",
            Some(leaf) if access == Access::Execute && !leaf.executable => "memory that is not executable",
            Some(leaf) if access == Access::Write && !leaf.writable => "memory that is read-only",
            Some(leaf) if leaf.user => "memory of a process",
            Some(_) => "memory that was not mapped a moment ago",
            None => "memory that is not mapped",
        };
        write!(f, "page fault: {access} {what} at {address:#018x}, by the instruction at {:#x}", frame.rip)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    Read,
    Write,
    Execute,
}

impl Access {
    fn of(error: u64) -> Self {
        match (error & 1 << 4 != 0, error & 1 << 1 != 0) {
            (true, _) => Access::Execute,
            (false, true) => Access::Write,
            (false, false) => Access::Read,
        }
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Access::Read => "reading",
            Access::Write => "writing",
            Access::Execute => "executing",
        })
    }
}

/// The bounds of the stack that this exception overran, if that is what it was.
///
/// A stack has an unmapped page below it, so running over shows as a page fault there, or, if it was the processor that
/// could not push, as a double fault with the stack pointer there.
fn overflown_stack(frame: &TrapFrame, address: u64) -> Option<(usize, usize)> {
    let suspect = match frame.vector {
        PAGE_FAULT => address as usize,
        DOUBLE_FAULT => frame.rsp as usize,
        _ => return None,
    };
    [core_block::current_stack(), core_block::interrupt_stack()]
        .into_iter()
        .find(|&(lo, _)| lo != 0 && (lo - PAGE_SIZE..lo + 64).contains(&suspect))
}
