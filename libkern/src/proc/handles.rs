//! What a process does with its handles.
//!
//! Functions here run for a process, in a trap or as a kthread that works for it. A table's lock is the outermost of the
//! locks about handles (`channel` has the order); nothing that a handle names is dropped under it.
//!
//! A process that was passed no handle never has one: each call that gives one wants one. So whether its table has to be
//! closed when it dies is known when it is made.

use alloc::sync::Arc;

use mcp_abi::call::Error;
use mcp_abi::handle::{Handle, Rights};

use super::channel::{ReceiveError, Received, TransferError};
use super::object::Object;
use super::process::Proc;
use super::table::{Entry, HandleError, Table};
use super::work;
use crate::arch;
use crate::kmsg;
use crate::kthread::assert_may_block;

impl From<HandleError> for Error {
    fn from(error: HandleError) -> Error {
        match error {
            HandleError::Bad => Error::BadHandle,
            HandleError::NoRight => Error::NoRight,
            HandleError::Limit => Error::Limit,
            HandleError::OutOfMemory => Error::NoMemory,
            HandleError::Dying => Error::Dying,
        }
    }
}

impl From<TransferError> for Error {
    fn from(error: TransferError) -> Error {
        match error {
            TransferError::Closed => Error::Closed,
            TransferError::Full => Error::WouldBlock,
            TransferError::Circle => Error::Invalid,
            TransferError::OutOfMemory => Error::NoMemory,
        }
    }
}

impl From<ReceiveError> for Error {
    fn from(error: ReceiveError) -> Error {
        match error {
            ReceiveError::Empty => Error::WouldBlock,
            ReceiveError::Closed => Error::Closed,
        }
    }
}

/// Puts something into a table whose lock the caller has. What does not fit comes back.
fn put(proc: &Proc, table: &mut Table<Object>, object: Object, rights: Rights) -> Result<Handle, (HandleError, Object)> {
    let handle = match table.reserve() {
        Ok(handle) => handle,
        Err(error) => return Err((error, object)),
    };
    if let Object::Channel(end) = &object
        && let Err(error) = end.listen(proc, handle)
    {
        return Err((error, object));
    }
    table.insert(handle, object, rights);
    Ok(handle)
}

/// Takes something out of a table whose lock the caller has.
fn take(proc: &Proc, table: &mut Table<Object>, handle: Handle) -> Result<Entry<Object>, HandleError> {
    let entry = table.remove(handle)?;
    if let Object::Channel(end) = &entry.object {
        end.forget(proc, handle);
    }
    Ok(entry)
}

/// Passes something to a process.
///
/// # Errors
/// As [`Table::reserve`].
pub(super) fn pass(proc: &Proc, object: Object, rights: Rights) -> Result<Handle, HandleError> {
    let passed = put(proc, &mut proc.handles.lock(), object, rights);
    passed.map_err(|(error, _)| error)
}

/// Closes a handle. Blocks, perhaps: what it names may be the application's.
///
/// # Errors
/// [`Error::BadHandle`].
pub(crate) fn close(proc: &Proc, handle: Handle) -> Result<(), Error> {
    let entry = take(proc, &mut proc.handles.lock(), handle)?;
    if matches!(entry.object, Object::File(_) | Object::Channel(_)) {
        assert_may_block(|| "closing a handle");
    }
    drop(entry);
    Ok(())
}

/// Makes another handle of the same thing, with those of its rights that are in `rights`.
///
/// # Errors
/// [`Error::BadHandle`], [`Error::NoRight`], [`Error::Limit`], [`Error::NoMemory`], [`Error::Dying`].
pub(crate) fn duplicate(proc: &Proc, handle: Handle, rights: Rights) -> Result<Handle, Error> {
    let mut table = proc.handles.lock();
    let entry = table.get(handle)?;
    entry.demand(Rights::DUPLICATE)?;
    let (object, rights) = (entry.object.clone(), entry.rights.intersection(rights));
    let done = put(proc, &mut table, object, rights);
    drop(table);
    // One that was refused goes now.
    done.map_err(|(error, _)| error.into())
}

/// What a handle names, if it gives these rights and `which` accepts the thing.
///
/// # Errors
/// [`Error::BadHandle`], [`Error::NoRight`].
pub(crate) fn with<R>(
    proc: &Proc,
    handle: Handle,
    rights: Rights,
    which: impl FnOnce(&Object) -> Option<R>,
) -> Result<R, Error> {
    with_rights(proc, handle, rights, |object, _| which(object))
}

/// As [`with`], for a `which` that wants to know what else the handle gives.
///
/// # Errors
/// As [`with`].
pub(crate) fn with_rights<R>(
    proc: &Proc,
    handle: Handle,
    rights: Rights,
    which: impl FnOnce(&Object, Rights) -> Option<R>,
) -> Result<R, Error> {
    let table = proc.handles.lock();
    let entry = table.get(handle)?;
    // What it is comes first: rights are of something.
    let found = which(&entry.object, entry.rights).ok_or(Error::BadHandle)?;
    match entry.demand(rights) {
        Ok(()) => Ok(found),
        Err(error) => {
            drop(table);
            Err(error.into())
        }
    }
}

/// Signals by an end of a channel.
///
/// # Errors
/// [`Error::BadHandle`], [`Error::NoRight`], [`Error::Closed`].
pub(crate) fn signal(proc: &Proc, channel: Handle) -> Result<(), Error> {
    let table = proc.handles.lock();
    let entry = table.get(channel)?;
    let Object::Channel(end) = &entry.object else { return Err(Error::BadHandle) };
    entry.demand(Rights::WRITE)?;
    end.signal().map_err(|_| Error::Closed)
}

/// As [`signal`], but gives one of the processes that were woken: it is ready, and in no queue. Interrupts off, until the
/// caller has put it there or goes on with it.
///
/// # Errors
/// As [`signal`].
#[inline(always)]
pub(crate) fn signal_and_keep(proc: &Proc, channel: Handle) -> Result<Option<Arc<Proc>>, Error> {
    // SAFETY: interrupts are off; waking neither blocks nor has to do with handles.
    let table = unsafe { proc.handles.lock_quick() };
    let entry = table.get(channel)?;
    let Object::Channel(end) = &entry.object else { return Err(Error::BadHandle) };
    entry.demand(Rights::WRITE)?;
    end.signal_and_keep().map_err(|_| Error::Closed)
}

/// Gives `handle` away, with those of its rights that are in `rights`, by an end of a channel, and `message` with it. All of
/// that, or nothing.
///
/// # Errors
/// [`Error::BadHandle`], [`Error::NoRight`], [`Error::Closed`], [`Error::WouldBlock`], [`Error::Invalid`],
/// [`Error::NoMemory`].
pub(crate) fn transfer(
    proc: &Proc,
    channel: Handle,
    handle: Handle,
    rights: Rights,
    message: u64,
) -> Result<(), Error> {
    let mut table = proc.handles.lock();
    let entry = table.get(channel)?;
    let Object::Channel(end) = &entry.object else { return Err(Error::BadHandle) };
    entry.demand(Rights::WRITE)?;
    let given = table.get(handle)?;
    given.demand(Rights::TRANSFER)?;
    // Neither is the last reference: what is given goes on, and the end stays in the table, or giving it fails.
    let (end, object) = (end.clone(), given.object.clone());
    let done = end.put_in_transit(&object, || {
        let Entry { object, rights: most } = take(proc, &mut table, handle).expect("it is there, and the table locked");
        Received { object, rights: most.intersection(rights), message }
    });
    drop(table);
    Ok(done?)
}

/// Receives a handle by an end of a channel: gives it, and the message that came with it.
///
/// # Errors
/// [`Error::BadHandle`], [`Error::NoRight`], [`Error::WouldBlock`], [`Error::Closed`]; and [`Error::Limit`],
/// [`Error::NoMemory`], [`Error::Dying`], where the handle stays where it is.
pub(crate) fn receive(proc: &Proc, channel: Handle) -> Result<(Handle, u64), Error> {
    let mut table = proc.handles.lock();
    let entry = table.get(channel)?;
    let Object::Channel(end) = &entry.object else { return Err(Error::BadHandle) };
    entry.demand(Rights::READ)?;
    let end = end.clone();
    // Before it is taken: it has nowhere to go back to.
    table.reserve()?;
    let Received { object, rights, message } = end.receive()?;
    let done = put(proc, &mut table, object, rights);
    drop(table);
    // Only if there is no memory to note a listener is a handle lost.
    done.map(|handle| (handle, message)).map_err(|(error, _)| error.into())
}

/// Has all handles of a process that is dying closed, as somebody's who works for it: soon, where things may block.
pub(super) fn close_all_soon(proc: Arc<Proc>) {
    kmsg::send_routine(arch::core_id(), move |_| {
        let all = proc.handles.lock().close();
        for (handle, Entry { object, .. }) in all {
            if let Object::Channel(end) = &object {
                end.forget(&proc, handle);
            }
            drop(object);
        }
        work::end_work(&proc);
    });
}
