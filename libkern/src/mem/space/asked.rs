//! What a process asks for, in numbers that may be any, as what a space understands.

use core::ops::Range;

use mcp_abi::call::rights;

use crate::arch::PAGE_SIZE;
use crate::arch::user_tables::UserRights;

/// Rights as a process names them. Never both writing and executing, and none without reading.
#[must_use]
pub fn rights_of(bits: u64) -> Option<UserRights> {
    const READ_WRITE: u64 = rights::READ | rights::WRITE;
    const READ_EXECUTE: u64 = rights::READ | rights::EXECUTE;
    match bits {
        rights::READ => Some(UserRights::Read),
        READ_WRITE => Some(UserRights::ReadWrite),
        READ_EXECUTE => Some(UserRights::ReadExecute),
        _ => None,
    }
}

/// The range of `len` bytes, in whole pages, from `address` on, which may be anywhere; none if it goes round the end.
#[must_use]
pub fn range_of(address: u64, len: u64) -> Option<Range<usize>> {
    let (start, len) = (usize::try_from(address).ok()?, usize::try_from(len).ok()?);
    let len = len.checked_next_multiple_of(PAGE_SIZE)?;
    Some(start..start.checked_add(len)?)
}
