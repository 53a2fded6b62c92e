//! Calls about a process's memory.

use mcp_abi::call::{Error, number};
use mcp_abi::handle::{Handle, Rights};

use super::arguments::arguments;

use crate::arch::PAGE_SIZE;
use crate::arch::user_tables::UserRights;
use crate::mem::space::asked::{range_of, rights_of};
use crate::mem::space::pages::Content;
use crate::mem::space::{Place, SpaceError};
use crate::proc::{self, Object, Proc, handles, umem};

fn error_of(error: SpaceError) -> i64 {
    match error {
        SpaceError::BadRange | SpaceError::Occupied | SpaceError::Absent | SpaceError::Fixed => Error::BadAddress,
        SpaceError::NotWritable => Error::NoRight,
        SpaceError::TooManyRegions | SpaceError::Limit => Error::Limit,
        SpaceError::NoRoom | SpaceError::OutOfMemory => Error::NoMemory,
    }
    .to_result()
}

/// What is to be mapped of a region that it was passed and may use so.
fn content_of(proc: &Proc, rights: UserRights, handle: u64, offset: u64, len: u64) -> Result<Content, Error> {
    let handle = Handle::from_word(handle).ok_or(Error::BadHandle)?;
    let wanted = match rights {
        UserRights::Read => Rights::MAP | Rights::READ,
        UserRights::ReadWrite => Rights::MAP | Rights::READ | Rights::WRITE,
        // Somebody else may be able to write it.
        UserRights::ReadExecute => return Err(Error::NoRight),
    };
    let (region, may_write) = handles::with_rights(proc, handle, wanted, |object, rights| match object {
        Object::Region(region) => Some((region.clone(), rights.contains(Rights::WRITE))),
        _ => None,
    })?;
    let (offset, len) = (usize::try_from(offset).ok(), usize::try_from(len).ok());
    let (offset, len) = offset.zip(len).ok_or(Error::Invalid)?;
    if !offset.is_multiple_of(PAGE_SIZE) || offset > region.len() || len > region.len() - offset {
        return Err(Error::Invalid);
    }
    Ok(Content::Shared { pages: region.pages().clone(), first: offset / PAGE_SIZE, may_write })
}

/// `address` or 0, `len`, `rights`, `handle` or anonymous, `offset`. Gives the address. Errors: bad address, invalid, no
/// memory, limit, bad handle, no right.
pub(super) extern "C" fn map(proc: &Proc, call: usize) -> i64 {
    let [address, len, rights, handle, offset] = arguments!(proc, call);
    let Some(rights) = rights_of(rights) else { return Error::Invalid.to_result() };
    if len == 0 {
        return Error::Invalid.to_result();
    }
    if handle != number::ANONYMOUS {
        return map_region(proc, address, len, rights, handle, offset);
    }
    if offset != 0 {
        return Error::Invalid.to_result();
    }
    map_content(proc, address, len, rights, Content::Zero)
}

#[cold]
#[inline(never)]
fn map_region(proc: &Proc, address: u64, len: u64, rights: UserRights, handle: u64, offset: u64) -> i64 {
    match content_of(proc, rights, handle, offset, len) {
        Ok(content) => map_content(proc, address, len, rights, content),
        Err(error) => error.to_result(),
    }
}

#[inline(always)]
fn map_content(proc: &Proc, address: u64, len: u64, rights: UserRights, content: Content) -> i64 {
    let (Ok(address), Ok(len)) = (usize::try_from(address), usize::try_from(len)) else {
        return Error::Invalid.to_result();
    };
    let place = if address == 0 { Place::Within(proc.arena()) } else { Place::At(address) };
    match proc.space().map(place, len, rights, content) {
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
