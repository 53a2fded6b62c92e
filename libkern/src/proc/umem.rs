//! A process's memory, as an allegation.
//!
//! What a process says is an address of its own may be anything: in the kernel's half, not mapped, mapped a moment ago. A
//! copy here checks the range, has the processor try, and, where that faults, finds out whether something should be there
//! ([`Space::fault_in`](crate::mem::space::Space::fault_in)); then it tries again. What another core unmaps meanwhile shows
//! as a fault, and nothing else.
//!
//! Each datum is to be read once: the process may change it the next moment. (DESIGN, section 8.)

use mcp_abi::call::Error;
use mcp_abi::process::USER_END;

use super::current;
use super::process::Proc;
use crate::arch::PAGE_SIZE;
use crate::arch::user::access::{self, Faulted};
use crate::mem::space::{Access, FaultError};

/// How often a page is brought in for one copy. A process that takes it away again each time has made its choice.
const ATTEMPTS: usize = 4;

/// Whether `len` bytes from `address` on lie in a process's half of the address space.
#[inline(always)]
#[must_use]
pub(crate) fn is_in_range(address: usize, len: usize) -> bool {
    address <= USER_END && len <= USER_END - address
}

/// Brings in the page at `address`, if the process may use it so.
pub(crate) fn fault_in(proc: &Proc, address: usize, access: Access) -> Result<(), FaultError> {
    proc.space.fault_in(address, access)
}

/// Copies from the process into `into`. Kthread context or a trap; interrupts on or off.
///
/// # Errors
/// [`Error::BadAddress`], [`Error::NoMemory`]. A part may have been copied.
pub(crate) fn read(proc: &Proc, address: usize, into: &mut [u8]) -> Result<(), Error> {
    let (to, len) = (into.as_mut_ptr(), into.len());
    by_pages(proc, address, len, Access::Read, |at, offset, len| {
        // SAFETY: in range, the process's space is loaded; within the caller's slice.
        unsafe { access::copy(to.add(offset), core::ptr::with_exposed_provenance(at), len) }
    })
}

/// Copies `from` to the process. As [`read`].
///
/// # Errors
/// As [`read`].
pub(crate) fn write(proc: &Proc, address: usize, from: &[u8]) -> Result<(), Error> {
    by_pages(proc, address, from.len(), Access::Write, |at, offset, len| {
        // SAFETY: as in `read`.
        unsafe { access::copy(core::ptr::with_exposed_provenance_mut(at), from.as_ptr().add(offset), len) }
    })
}

/// Calls `copy` with the part of each page: its address, how far it is from the first, its length.
fn by_pages(
    proc: &Proc,
    address: usize,
    len: usize,
    access: Access,
    copy: impl Fn(usize, usize, usize) -> Result<(), Faulted>,
) -> Result<(), Error> {
    if !is_in_range(address, len) {
        return Err(Error::BadAddress);
    }
    let mut done = 0;
    while done < len {
        let at = address + done;
        let part = (PAGE_SIZE - at % PAGE_SIZE).min(len - done);
        attempt(proc, access, || copy(at, done, part))?;
        done += part;
    }
    Ok(())
}

/// Has `touch` touch the process's memory, and brings in what it finds missing.
///
/// # Errors
/// As [`read`].
pub(crate) fn attempt<R>(
    proc: &Proc,
    access: Access,
    touch: impl Fn() -> Result<R, Faulted>,
) -> Result<R, Error> {
    for _ in 0..ATTEMPTS {
        current::load_for_kthread(proc);
        match touch() {
            Ok(touched) => return Ok(touched),
            Err(Faulted { address }) => fault_in(proc, address, access).map_err(|error| match error {
                FaultError::Absent | FaultError::Forbidden => Error::BadAddress,
                FaultError::Limit | FaultError::OutOfMemory => Error::NoMemory,
            })?,
        }
    }
    Err(Error::BadAddress)
}
