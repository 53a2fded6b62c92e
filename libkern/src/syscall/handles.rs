//! Calls about handles, and by them.

use alloc::vec::Vec;
use core::mem::{offset_of, size_of};

use mcp_abi::call::Error;
use mcp_abi::handle::{Ended, Handle, Rights, ended};

use super::arguments::arguments;

use crate::arch::user;
use crate::proc::{self, Exit, Object, Proc, handles, umem};

/// The most that one call reads or writes, in bytes.
const MOST: usize = 4096;

fn result_of(done: Result<u64, Error>) -> i64 {
    match done {
        Ok(value) => value as i64,
        Err(error) => error.to_result(),
    }
}

/// What an argument names. What cannot be a handle is a bad one.
fn handle_of(word: u64) -> Result<Handle, Error> {
    Handle::from_word(word).ok_or(Error::BadHandle)
}

/// `handle`. May block. Errors: bad handle.
pub(super) extern "C" fn close(proc: &Proc, call: usize) -> i64 {
    let [handle] = arguments!(proc, call);
    result_of(handle_of(handle).and_then(|handle| handles::close(proc, handle)).map(|()| 0))
}

/// `handle`, `rights`. Gives the new handle. Errors: bad handle, no right, invalid, limit, no memory.
pub(super) extern "C" fn duplicate(proc: &Proc, call: usize) -> i64 {
    let [handle, rights] = arguments!(proc, call);
    result_of(handle_of(handle).and_then(|handle| {
        let rights = Rights::from_bits(rights).ok_or(Error::Invalid)?;
        handles::duplicate(proc, handle, rights).map(Handle::to_word)
    }))
}

/// `channel`. Errors: bad handle, no right, closed.
pub(super) extern "C" fn signal(proc: &Proc, call: usize) -> i64 {
    let [channel] = arguments!(proc, call);
    result_of(handle_of(channel).and_then(|channel| handles::signal(proc, channel)).map(|()| 0))
}

/// `channel`. Comes back when an event is pending. Errors: bad handle, no right, closed; then it does not wait.
pub(super) extern "C" fn signal_and_wait(proc: &Proc, call: usize) -> i64 {
    let [channel] = arguments!(proc, call);
    if !user::is_from_user() {
        // Reading that has blocked, and the process has gone on: nobody waits. Interrupts are on.
        return result_of(handle_of(channel).and_then(|channel| handles::signal(proc, channel)).map(|()| 0));
    }
    match handle_of(channel).and_then(|channel| handles::signal_and_keep(proc, channel)) {
        Ok(woken) => super::end_with_hand_over(proc, call, woken),
        Err(error) => error.to_result(),
    }
}

/// `channel`, `handle`, `rights`, `message`. Errors: bad handle, no right, invalid, closed, would block, no memory.
pub(super) extern "C" fn transfer(proc: &Proc, call: usize) -> i64 {
    let [channel, handle, rights, message] = arguments!(proc, call);
    result_of(handle_of(channel).and_then(|channel| {
        let rights = Rights::from_bits(rights).ok_or(Error::Invalid)?;
        handles::transfer(proc, channel, handle_of(handle)?, rights, message).map(|()| 0)
    }))
}

/// `channel`, `out`: where the message goes. Gives the handle. Errors: bad handle, no right, would block, closed, bad
/// address, limit, no memory.
pub(super) extern "C" fn receive(proc: &Proc, call: usize) -> i64 {
    let [channel, out] = arguments!(proc, call);
    result_of(handle_of(channel).and_then(|channel| {
        // First, because what is received cannot be put back.
        umem::write(proc, out as usize, &[0; size_of::<u64>()])?;
        let (handle, message) = handles::receive(proc, channel)?;
        // A process that has taken the page away meanwhile still has the handle.
        let _ = umem::write(proc, out as usize, &message.to_ne_bytes());
        Ok(handle.to_word())
    }))
}

/// What is read or written by calls.
enum Stream {
    Console(crate::proc::Console),
    File(alloc::sync::Arc<dyn crate::proc::File>),
}

fn stream(proc: &Proc, handle: u64, rights: Rights) -> Result<Stream, Error> {
    handles::with(proc, handle_of(handle)?, rights, |object| match object {
        Object::Console(console) => Some(Stream::Console(console.clone())),
        Object::File(file) => Some(Stream::File(file.clone())),
        _ => None,
    })
}

/// A buffer of at most [`MOST`] bytes.
fn buffer(len: u64) -> Result<Vec<u8>, Error> {
    let len = usize::try_from(len).unwrap_or(usize::MAX).min(MOST);
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(len).map_err(|_| Error::NoMemory)?;
    bytes.resize(len, 0);
    Ok(bytes)
}

/// `handle`, `address`, `len`, `offset`. Gives how many bytes, at most 4,096. Blocks. Errors: bad handle, no right, bad
/// address, limit, no memory, and what a file says.
pub(super) extern "C" fn read(proc: &Proc, call: usize) -> i64 {
    let [handle, address, len, offset] = arguments!(proc, call);
    let run = || {
        let Stream::File(file) = stream(proc, handle, Rights::READ)? else {
            // Nobody types to a process.
            return Err(Error::NoRight);
        };
        let mut bytes = buffer(len)?;
        if !umem::is_in_range(address as usize, bytes.len()) {
            return Err(Error::BadAddress);
        }
        proc::will_block(proc)?;
        let len = file.read(offset, &mut bytes)?.min(bytes.len());
        drop(file);
        umem::write(proc, address as usize, &bytes[..len])?;
        Ok(len as u64)
    };
    result_of(run())
}

/// `handle`, `address`, `len`, `offset`. Gives how many bytes, at most 4,096. Blocks. Errors: as `read`.
pub(super) extern "C" fn write(proc: &Proc, call: usize) -> i64 {
    let [handle, address, len, offset] = arguments!(proc, call);
    let run = || {
        let stream = stream(proc, handle, Rights::WRITE)?;
        let mut bytes = buffer(len)?;
        umem::read(proc, address as usize, &mut bytes)?;
        match stream {
            Stream::Console(console) => {
                console.write(&bytes);
                Ok(bytes.len() as u64)
            }
            Stream::File(file) => {
                proc::will_block(proc)?;
                Ok(file.write(offset, &bytes)?.min(bytes.len()) as u64)
            }
        }
    };
    result_of(run())
}

/// `child`. Errors: bad handle, no right.
pub(super) extern "C" fn child_kill(proc: &Proc, call: usize) -> i64 {
    let [child] = arguments!(proc, call);
    let run = || {
        let child = handles::with(proc, handle_of(child)?, Rights::CONTROL, child_of)?;
        child.kill();
        Ok(0)
    };
    result_of(run())
}

/// `child`, `out`: where what became of it goes. Blocks until it is gone. Errors: bad handle, no right, bad address,
/// limit, no memory, aborted.
pub(super) extern "C" fn child_wait(proc: &Proc, call: usize) -> i64 {
    let [child, out] = arguments!(proc, call);
    let run = || {
        let child = handles::with(proc, handle_of(child)?, Rights::READ, child_of)?;
        proc::will_block(proc)?;
        let exit = child.wait_abortable().map_err(|_| Error::Aborted)?;
        let (how, value) = match exit {
            Exit::Status(status) => (ended::STATUS, status),
            Exit::Killed => (ended::KILLED, 0),
            Exit::Fault(fault) => (ended::FAULT, fault.vector.into()),
            Exit::Denied { number } => (ended::DENIED, number.into()),
            Exit::OutOfMemory { address } => (ended::OUT_OF_MEMORY, address as u64),
            Exit::TimeLimit => (ended::TIME_LIMIT, 0),
        };
        let mut report = [0; size_of::<Ended>()];
        report[offset_of!(Ended, how)..][..8].copy_from_slice(&how.to_ne_bytes());
        report[offset_of!(Ended, value)..][..8].copy_from_slice(&value.to_ne_bytes());
        umem::write(proc, out as usize, &report)?;
        Ok(0)
    };
    result_of(run())
}

fn child_of(object: &Object) -> Option<crate::proc::Child> {
    if let Object::Child(child) = object { Some(child.clone()) } else { None }
}
