//! What this process was passed, and what it can do with that.
//!
//! The n-th thing that the parent passed has the handle [`Handle::passed(n)`](Handle::passed).

pub use mcp_abi::handle::{Ended, Handle, Rights};

use mcp_abi::call::{Error, number};

use crate::call;

/// Closes a handle.
///
/// # Errors
/// [`Error::BadHandle`].
pub fn close(handle: Handle) -> Result<(), Error> {
    call::one(number::CLOSE, [handle.to_word(), 0, 0, 0, 0]).map(drop)
}

/// Makes another handle of the same thing, with those of its rights that are in `rights`.
///
/// # Errors
/// [`Error::BadHandle`]; [`Error::NoRight`] if it may not be duplicated; [`Error::Limit`], [`Error::NoMemory`].
pub fn duplicate(handle: Handle, rights: Rights) -> Result<Handle, Error> {
    call::one(number::DUPLICATE, [handle.to_word(), rights.bits(), 0, 0, 0]).and_then(received)
}

fn received(word: u64) -> Result<Handle, Error> {
    Handle::from_word(word).ok_or(Error::BadHandle)
}

/// Reads a file from byte `offset` on, and says how many bytes: at most 4,096. Blocks.
///
/// # Errors
/// [`Error::BadHandle`] if it is no file; [`Error::NoRight`], [`Error::NoMemory`], [`Error::Aborted`], and what the file
/// says.
pub fn read(file: Handle, offset: u64, into: &mut [u8]) -> Result<usize, Error> {
    let at = into.as_mut_ptr().expose_provenance() as u64;
    call::one(number::READ, [file.to_word(), at, into.len() as u64, offset, 0]).map(|len| len as usize)
}

/// Writes a file from byte `offset` on, or to a console, and says how many bytes: at most 4,096. Blocks.
///
/// # Errors
/// As [`read`].
pub fn write(file: Handle, offset: u64, from: &[u8]) -> Result<usize, Error> {
    let at = from.as_ptr().expose_provenance() as u64;
    call::one(number::WRITE, [file.to_word(), at, from.len() as u64, offset, 0]).map(|len| len as usize)
}

/// Wakes those who have the other end of a channel, if they wait.
///
/// # Errors
/// [`Error::BadHandle`], [`Error::NoRight`], [`Error::Closed`].
#[inline]
pub fn signal(channel: Handle) -> Result<(), Error> {
    call::one(number::SIGNAL, [channel.to_word(), 0, 0, 0, 0]).map(drop)
}

/// Gives `handle` to whoever has the other end of `channel`, with those of its rights that are in `rights`; `message` goes
/// with it. All of that, or nothing.
///
/// # Errors
/// [`Error::BadHandle`], [`Error::NoRight`], [`Error::Closed`]; [`Error::WouldBlock`] if 16 wait there already;
/// [`Error::Invalid`] if it is an end of this channel, or one for which handles wait; [`Error::NoMemory`].
pub fn transfer(channel: Handle, handle: Handle, rights: Rights, message: u64) -> Result<(), Error> {
    call::one(number::TRANSFER, [channel.to_word(), handle.to_word(), rights.bits(), message, 0]).map(drop)
}

/// Receives a handle, and what its sender said about it. Does not block: a signal comes with each.
///
/// # Errors
/// [`Error::BadHandle`], [`Error::NoRight`]; [`Error::WouldBlock`] if there is none; [`Error::Closed`]; [`Error::Limit`],
/// [`Error::NoMemory`].
pub fn receive(channel: Handle) -> Result<(Handle, u64), Error> {
    let mut message = 0u64;
    let out = (&raw mut message).expose_provenance() as u64;
    let handle = call::one(number::RECEIVE, [channel.to_word(), out, 0, 0, 0]).and_then(received)?;
    // The kernel has written it.
    Ok((handle, core::hint::black_box(message)))
}

/// Ends a process.
///
/// # Errors
/// [`Error::BadHandle`] if it is no process; [`Error::NoRight`] if this one does not control it.
pub fn kill(child: Handle) -> Result<(), Error> {
    call::one(number::CHILD_KILL, [child.to_word(), 0, 0, 0, 0]).map(drop)
}

/// Waits until a process is gone, and says what became of it. Blocks.
///
/// # Errors
/// As [`kill`], and [`Error::Aborted`].
pub fn wait_for_end(child: Handle) -> Result<Ended, Error> {
    let mut ended = Ended::default();
    let out = (&raw mut ended).expose_provenance() as u64;
    call::one(number::CHILD_WAIT, [child.to_word(), out, 0, 0, 0])?;
    // As in `receive`.
    Ok(core::hint::black_box(ended))
}
