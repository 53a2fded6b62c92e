//! Reading a call's arguments.

use core::mem::{offset_of, size_of};

use mcp_abi::call::{ARGUMENTS, Call, Error};

use crate::proc::{Proc, umem};

/// The first `N` arguments of a call.
///
/// # Errors
/// As [`umem::read`].
#[inline]
pub(super) fn read<const N: usize>(proc: &Proc, call: usize) -> Result<[u64; N], Error> {
    const { assert!(N <= ARGUMENTS) };
    let mut words = [0u64; N];
    // SAFETY: the words' own bytes, of which any are good.
    let bytes = unsafe { core::slice::from_raw_parts_mut(words.as_mut_ptr().cast(), N * size_of::<u64>()) };
    umem::read(proc, call + offset_of!(Call, args), bytes)?;
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
