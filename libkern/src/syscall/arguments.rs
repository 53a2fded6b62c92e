//! Reading a call's arguments.

use core::mem::{offset_of, size_of_val};

use mcp_abi::call::{ARGUMENTS, Call, Error};

use crate::arch::user::{self, access};
use crate::proc::{Proc, umem};

/// The first `N` arguments of a call.
///
/// # Errors
/// As [`umem::read`].
#[inline(always)]
pub(super) fn read<const N: usize>(proc: &Proc, call: usize) -> Result<[u64; N], Error> {
    const { assert!(N <= ARGUMENTS) };
    let at = call + offset_of!(Call, args);
    // In a trap the process that the core has is loaded. The call's number has just been read, so its page is there, too.
    // SAFETY: in range, as all calls of the batch; loaded.
    let words = match user::is_from_user().then(|| unsafe { access::load_arguments(at) }).flatten() {
        Some(words) => words,
        None => read_slowly(proc, at)?,
    };
    Ok(*words.first_chunk().expect("no more than there are"))
}

#[cold]
fn read_slowly(proc: &Proc, at: usize) -> Result<[u64; ARGUMENTS], Error> {
    let mut words = [0u64; ARGUMENTS];
    // SAFETY: the words' own bytes, of which any are good.
    let bytes = unsafe { core::slice::from_raw_parts_mut(words.as_mut_ptr().cast(), size_of_val(&words)) };
    umem::read(proc, at, bytes)?;
    Ok(words)
}

/// The arguments of a call, in a function that gives its result.
macro_rules! arguments {
    ($proc:expr, $call:expr) => {
        match $crate::syscall::arguments::read($proc, $call) {
            Ok(arguments) => arguments,
            Err(error) => return error.to_result(),
        }
    };
}

pub(super) use arguments;
