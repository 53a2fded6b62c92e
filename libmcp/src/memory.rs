//! Mapping memory.

use core::ops::Range;

use mcp_abi::call::{Error, number, rights};

use crate::call;

/// What may be done with memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rights {
    /// Reading.
    Read,
    /// Reading and writing.
    ReadWrite,
    /// Reading and executing.
    ReadExecute,
}

impl Rights {
    fn bits(self) -> u64 {
        match self {
            Rights::Read => rights::READ,
            Rights::ReadWrite => rights::READ | rights::WRITE,
            Rights::ReadExecute => rights::READ | rights::EXECUTE,
        }
    }
}

/// Maps `len` bytes of zeros, in whole pages, wherever there is room. They take memory when they are touched.
///
/// # Errors
/// [`Error::Invalid`], [`Error::NoMemory`], [`Error::Limit`].
pub fn map(len: usize, rights: Rights) -> Result<usize, Error> {
    call::one(number::MAP, [0, len as u64, rights.bits(), number::ANONYMOUS, 0]).map(|address| address as usize)
}

/// As [`map`], at `address`, whole pages at which nothing is.
///
/// # Errors
/// As [`map`], and [`Error::BadAddress`] if something is there, or it is no address of a process's.
pub fn map_at(address: usize, len: usize, rights: Rights) -> Result<(), Error> {
    if address == 0 {
        return Err(Error::BadAddress);
    }
    call::one(number::MAP, [address as u64, len as u64, rights.bits(), number::ANONYMOUS, 0]).map(drop)
}

/// Ends what `range` shows, whole pages of it.
///
/// # Errors
/// [`Error::BadAddress`] if not all of it is mapped or not the process's to unmap.
///
/// # Safety
/// Nothing in it is needed any more.
pub unsafe fn unmap(range: Range<usize>) -> Result<(), Error> {
    call::one(number::UNMAP, [range.start as u64, range.len() as u64, 0, 0, 0]).map(drop)
}

/// Changes what may be done with `range`, whole pages.
///
/// # Errors
/// [`Error::BadAddress`], [`Error::NoRight`].
///
/// # Safety
/// Nobody relies on doing what may not be done any more.
pub unsafe fn protect(range: Range<usize>, rights: Rights) -> Result<(), Error> {
    call::one(number::PROTECT, [range.start as u64, range.len() as u64, rights.bits(), 0, 0]).map(drop)
}

/// Says which pages of `range` are in memory: a byte each in `map`. Gives how many are.
///
/// # Errors
/// [`Error::Invalid`] if there are more than 512, or `map` is too short; [`Error::BadAddress`].
pub fn resident(range: Range<usize>, map: &mut [u8]) -> Result<usize, Error> {
    if map.len() < range.len().div_ceil(mcp_abi::process::PAGE_LEN) {
        return Err(Error::Invalid);
    }
    let out = map.as_mut_ptr().expose_provenance() as u64;
    call::one(number::RESIDENT, [range.start as u64, range.len() as u64, out, 0, 0]).map(|count| count as usize)
}
