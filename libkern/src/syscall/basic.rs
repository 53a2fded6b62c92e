//! Calls about the process itself.

use mcp_abi::call::Error;

use super::arguments::arguments;

use crate::kthread::sync::{Aborted, Completion, Interrupted};
use crate::proc::{self, Exit, Proc, current, umem};
use crate::time::{Duration, Instant};

/// The most that one call writes to the console, in bytes.
const LINE: usize = 256;

pub(super) extern "C" fn null(_: &Proc, _: usize) -> i64 {
    0
}

/// `status`. The process does not run another instruction.
pub(super) extern "C" fn exit(proc: &Proc, call: usize) -> i64 {
    let [status] = arguments!(proc, call);
    // SAFETY: its core refers to it.
    proc::die(&unsafe { proc.to_arc() }, Exit::Status(status));
    0
}

/// Comes back when others have run.
pub(super) extern "C" fn yield_core(proc: &Proc, call: usize) -> i64 {
    super::end_with(proc, call, current::let_others_run)
}

/// `deadline_ns`, or 0. Returns at once if an event is pending.
pub(super) extern "C" fn wait(proc: &Proc, call: usize) -> i64 {
    let [deadline_ns] = arguments!(proc, call);
    if deadline_ns != 0 {
        proc::set_alarm(proc, deadline_ns);
    }
    super::end_with(proc, call, current::wait)
}

/// `ns`; the most there is are for ever. Blocks; errors: aborted, limit, no memory.
pub(super) extern "C" fn sleep(proc: &Proc, call: usize) -> i64 {
    let [ns] = arguments!(proc, call);
    if let Err(error) = proc::will_block(proc) {
        return error.to_result();
    }
    let never = Completion::new();
    let outcome = if ns == u64::MAX {
        never.wait_abortable().map_err(|Aborted| Interrupted::Aborted)
    } else {
        never.wait_abortable_until(Instant::now() + Duration::from_nanos(ns.min(1 << 60)))
    };
    match outcome {
        Err(Interrupted::Aborted) => Error::Aborted.to_result(),
        Err(Interrupted::TimedOut) | Ok(()) => 0,
    }
}

/// `call`: the address of one that has blocked. 1 if it was asked to give up, 0 if there is none.
pub(super) extern "C" fn abort(proc: &Proc, call: usize) -> i64 {
    let [blocked] = arguments!(proc, call);
    i64::from(blocked != 0 && proc::abort_call(proc, blocked as usize))
}

/// Nanoseconds of the clock.
pub(super) extern "C" fn now(_: &Proc, _: usize) -> i64 {
    Instant::now().as_nanos() as i64
}

/// `address`, `len`. Writes a line, or part of one, and gives how many bytes of it. Errors: bad address, no memory.
pub(super) extern "C" fn write_console(proc: &Proc, call: usize) -> i64 {
    let [address, len] = arguments!(proc, call);
    let mut line = [0; LINE];
    let len = usize::try_from(len).unwrap_or(usize::MAX).min(LINE);
    let line = &mut line[..len];
    if let Err(error) = umem::read(proc, address as usize, line) {
        return error.to_result();
    }
    proc::print(proc.name(), line);
    len as i64
}
