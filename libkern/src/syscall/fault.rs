//! Calls about what a process does that it must not.

use mcp_abi::call::Error;

use super::arguments::arguments;
use crate::proc::{self, Proc};

/// `entry` or 0, `stack`: where the process goes on after a fault, and the end of the stack on which it does. Errors: bad
/// address.
pub(super) extern "C" fn set_fault_handler(proc: &Proc, call: usize) -> i64 {
    let [entry, stack] = arguments!(proc, call);
    match proc::set_handler(proc, entry as usize, stack as usize) {
        true => 0,
        false => Error::BadAddress.to_result(),
    }
}

/// Goes on with the context in the vcore's slot, with notifications enabled. The call itself is not touched, and what follows
/// it in a batch is not taken. A context that no processor would go on with kills the process.
pub(super) extern "C" fn resume(proc: &Proc, _: usize) -> i64 {
    proc::resume(proc)
}
