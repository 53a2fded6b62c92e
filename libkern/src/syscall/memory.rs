//! Calls about a process's memory.

use mcp_abi::call::{Error, number};

use super::arguments::arguments;

use crate::arch::PAGE_SIZE;
use crate::mem::space::asked::{range_of, rights_of};
use crate::mem::space::pages::Content;
use crate::mem::space::{Place, SpaceError};
use crate::proc::{self, Proc, umem};

fn error_of(error: SpaceError) -> i64 {
    match error {
        SpaceError::BadRange | SpaceError::Occupied | SpaceError::Absent | SpaceError::Fixed => Error::BadAddress,
        SpaceError::NotWritable => Error::NoRight,
        SpaceError::TooManyRegions | SpaceError::Limit => Error::Limit,
        SpaceError::NoRoom | SpaceError::OutOfMemory => Error::NoMemory,
    }
    .to_result()
}

/// `address` or 0, `len`, `rights`, `handle` or anonymous, `offset`. Gives the address. Errors: bad address, invalid, no
/// memory, limit, bad handle.
pub(super) extern "C" fn map(proc: &Proc, call: usize) -> i64 {
    let [address, len, rights, handle, offset] = arguments!(proc, call);
    let Some(rights) = rights_of(rights) else { return Error::Invalid.to_result() };
    if handle != number::ANONYMOUS {
        return Error::BadHandle.to_result();
    }
    if offset != 0 || len == 0 {
        return Error::Invalid.to_result();
    }
    let (Ok(address), Ok(len)) = (usize::try_from(address), usize::try_from(len)) else {
        return Error::Invalid.to_result();
    };
    let place = if address == 0 { Place::Within(proc.arena()) } else { Place::At(address) };
    match proc.space().map(place, len, rights, Content::Zero) {
        Ok(at) => at as i64,
        Err(error) => error_of(error),
    }
}

/// `address`, `len`. Blocks while other cores forget it. Errors: bad address, no memory, limit.
pub(super) extern "C" fn unmap(proc: &Proc, call: usize) -> i64 {
    let [address, len] = arguments!(proc, call);
    let Some(range) = range_of(address, len) else { return Error::BadAddress.to_result() };
    match proc::unmap(proc, range) {
        Ok(()) => 0,
        Err(error) => error_of(error),
    }
}

/// `address`, `len`, `rights`. Blocks while other cores forget the old ones. Errors: bad address, invalid, no right, limit.
pub(super) extern "C" fn protect(proc: &Proc, call: usize) -> i64 {
    let [address, len, rights] = arguments!(proc, call);
    let Some(rights) = rights_of(rights) else { return Error::Invalid.to_result() };
    let Some(range) = range_of(address, len) else { return Error::BadAddress.to_result() };
    match proc::protect(proc, range, rights) {
        Ok(()) => 0,
        Err(error) => error_of(error),
    }
}

/// `address`, `len`, `out`: a byte for each page, 1 if it is in memory. Gives how many are. At most 512 pages at a time.
/// Errors: bad address, invalid, no memory.
pub(super) extern "C" fn resident(proc: &Proc, call: usize) -> i64 {
    let [address, len, out] = arguments!(proc, call);
    const MOST: usize = 512;
    let Some(range) = range_of(address, len) else { return Error::BadAddress.to_result() };
    let pages = range.len() / PAGE_SIZE;
    if pages > MOST {
        return Error::Invalid.to_result();
    }
    let mut map = [0u8; MOST];
    let mut count = 0;
    let start = range.start;
    let visited = proc.space().resident(range, |page| {
        map[(page - start) / PAGE_SIZE] = 1;
        count += 1;
    });
    if let Err(error) = visited {
        return error_of(error);
    }
    match umem::write(proc, out as usize, &map[..pages]) {
        Ok(()) => count,
        Err(error) => error.to_result(),
    }
}
