//! Channels: signals between two ends, and handles on their way.
//!
//! A channel has two ends. What the two say to each other is in memory that they share (`mcp_ring`); the kernel's part is
//! what memory cannot do. An end *signals*: all who have the other end are woken, if they wait. An end *transfers* a handle,
//! together with a word, and the other *receives* both. And who has one end learns that nobody has the other any more.
//!
//! ```text
//!                        +------------- Link --------------+
//!   ChannelEnd --> Holder --> End 0 <---- signal ---- End 1 <-- Holder <-- ChannelEnd (in a table)
//!                        |    listeners, rung, transfers   |
//!                        +---------------------------------+
//! ```
//!
//! A [`ChannelEnd`] in a table makes the process a *listener* of that end. The parent has its end as a value, and may wait
//! there ([`ChannelEnd::wait_until`]) as the ring's [`Bell`]. When the last [`ChannelEnd`] of an end goes, the end is
//! closed: handles that waited there are closed, the other end's listeners are told in their data page
//! (`mcp_abi::process::Data::closed`) and woken.
//!
//! # Locks
//!
//! Table of handles, then [`END_IN_TRANSIT`], then an end's own lock, then a process's. Nothing that a handle names is
//! dropped under an end's lock: that takes locks of its own.
//!
//! # Hazards
//!
//! 1. *A signal for a process that is gone.* Listeners are plain addresses. A process is one from when the handle is in its
//!    table until it is out of it, and it has closed its table before it goes; it is woken under the end's lock.
//! 2. *An end closes while somebody becomes a listener of the other.* It is closed first, and told then; who comes puts
//!    itself in the list first, and looks then. The list's lock is between.
//! 3. *A handle is in two tables, or none.* It moves from a table to the list of those in transit under both locks.
//! 4. *Ends in each other's transit.* Nobody could ever close them. An end is put in transit only while nothing is in
//!    transit to it, so the last step of a circle is refused. One lock for all of these makes that one step.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::mem;
use core::sync::atomic::{AtomicBool, Ordering};

use mcp_abi::handle::{Handle, MAX_IN_TRANSIT, Rights};
use mcp_abi::process::event;
use mcp_ring::{Bell, Interrupted};

use super::current;
use super::event::hint;
use super::object::Object;
use super::process::Proc;
use super::table::HandleError;
use crate::kthread::sync::Semaphore;
use crate::sync::{IrqGuard, IrqSpinLock, SpinLock};
use crate::time::Instant;

/// The other end is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed;

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nobody has the other end any more")
    }
}

impl core::error::Error for Closed {}

/// Why a handle cannot be transferred.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransferError {
    /// The other end is closed.
    Closed,
    /// As many wait there as may.
    Full,
    /// It is an end of this channel, or one for which handles wait.
    Circle,
    /// There is no memory.
    OutOfMemory,
}

/// Why there is no handle to receive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiveError {
    /// None is there now.
    Empty,
    /// The other end is closed, and none is there.
    Closed,
}

/// A handle that was transferred.
#[derive(Debug)]
pub struct Received {
    /// What it names.
    pub object: Object,
    /// What may be done with it.
    pub rights: Rights,
    /// What the sender said about it.
    pub message: u64,
}

struct Listener {
    /// By hazard 1 it is there.
    proc: *const Proc,
    handle: Handle,
}

struct Inner {
    listeners: Vec<Listener>,
    /// How often this end was signalled.
    rung: u64,
    /// Kthreads that are about to sleep, or do, and for which there is no unit yet.
    waiting: usize,
    transfers: VecDeque<Received>,
}

// SAFETY: listeners are alive, and what is done with them is for any core.
unsafe impl Send for Inner {}

struct End {
    /// Nobody has it any more.
    is_closed: AtomicBool,
    inner: IrqSpinLock<Inner>,
    /// One unit for each kthread that is to look again.
    bell: Semaphore,
}

struct Link {
    ends: [End; 2],
}

/// Dropped with the last of the values that are the end.
struct Holder {
    link: Arc<Link>,
    side: usize,
}

/// An end of a channel. Clones are the same end.
#[derive(Clone)]
pub struct ChannelEnd {
    holder: Arc<Holder>,
}

/// A new channel's ends.
#[must_use]
pub fn channel() -> (ChannelEnd, ChannelEnd) {
    let end = || End {
        is_closed: AtomicBool::new(false),
        inner: IrqSpinLock::new(
            "channel",
            Inner { listeners: Vec::new(), rung: 0, waiting: 0, transfers: VecDeque::new() },
        ),
        bell: Semaphore::new(0),
    };
    let link = Arc::new(Link { ends: [end(), end()] });
    let holder = |side| ChannelEnd { holder: Arc::new(Holder { link: link.clone(), side }) };
    (holder(0), holder(1))
}

/// Hazard 4.
static END_IN_TRANSIT: SpinLock<()> = SpinLock::new("ends of channels in transit", ());

impl End {
    fn ring(&self) {
        let _off = IrqGuard::new();
        if let Some(ready) = self.ring_and_keep() {
            current::wake(ready);
        }
    }

    /// Wakes all who wait, and gives one process of those that did: it is ready, and in no queue yet. Interrupts off, until it
    /// is in one, or on a core.
    #[inline(always)]
    fn ring_and_keep(&self) -> Option<Arc<Proc>> {
        // SAFETY: interrupts are off. Waking neither blocks nor has to do with this end.
        let mut inner = unsafe { self.inner.lock_quick() };
        inner.rung += 1;
        let waiting = mem::take(&mut inner.waiting);
        let mut kept = None;
        for listener in &inner.listeners {
            // SAFETY: hazard 1.
            if let Some(ready) = hint(unsafe { &*listener.proc }, event::CHANNEL)
                && let Some(before) = kept.replace(ready)
            {
                current::wake(before);
            }
        }
        drop(inner);
        if waiting > 0 {
            self.bell.up_many(waiting);
        }
        kept
    }
}

impl Holder {
    fn own(&self) -> &End {
        &self.link.ends[self.side]
    }

    fn other(&self) -> &End {
        &self.link.ends[1 - self.side]
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let own = self.own();
        // Before the lists are looked at. (Hazard 2.)
        own.is_closed.store(true, Ordering::SeqCst);
        let transfers = mem::take(&mut own.inner.lock().transfers);
        drop(transfers);
        let other = self.other();
        for listener in &other.inner.lock().listeners {
            // SAFETY: hazard 1.
            unsafe { &*listener.proc }.show_closed(listener.handle, true);
        }
        other.ring();
    }
}

impl ChannelEnd {
    /// Wakes all who have the other end, if they wait. Does not block; kthread context, message handlers of routine ones.
    ///
    /// # Errors
    /// [`Closed`].
    pub fn signal(&self) -> Result<(), Closed> {
        let other = self.holder.other();
        if other.is_closed.load(Ordering::Acquire) {
            return Err(Closed);
        }
        other.ring();
        Ok(())
    }

    /// As [`signal`](Self::signal), but gives one of the processes that were woken: it is ready, and in no queue. Interrupts
    /// off, until the caller has put it there or goes on with it.
    #[inline(always)]
    pub(super) fn signal_and_keep(&self) -> Result<Option<Arc<Proc>>, Closed> {
        let other = self.holder.other();
        if other.is_closed.load(Ordering::Acquire) {
            return Err(Closed);
        }
        Ok(other.ring_and_keep())
    }

    /// As the bell's `wait`: sleeps until the other end has signalled since `since`, at most until `deadline`. Blocks.
    ///
    /// # Errors
    /// [`Interrupted`] if the time is up, or somebody asked the kthread to give up.
    ///
    /// # Panics
    /// If it would block here.
    pub fn wait_until(&self, since: u64, deadline: Option<Instant>) -> Result<(), Interrupted> {
        let own = self.holder.own();
        loop {
            let mut inner = own.inner.lock();
            if inner.rung != since {
                return Ok(());
            }
            inner.waiting += 1;
            drop(inner);
            let is_woken = match deadline {
                Some(deadline) => own.bell.down_abortable_until(deadline).is_ok(),
                None => own.bell.down_abortable().is_ok(),
            };
            if !is_woken {
                // Either it is still counted, or there is a unit for it, with which somebody will look once too often.
                let mut inner = own.inner.lock();
                inner.waiting = inner.waiting.saturating_sub(1);
                return Err(Interrupted);
            }
        }
    }

    /// Gives something to the other end, with a word about it; the handle that comes of it will have no rights but `rights`.
    /// Does not block; context as [`signal`](Self::signal).
    ///
    /// # Errors
    /// As [`TransferError`] says, with what was to be given.
    pub fn transfer(&self, object: Object, rights: Rights, message: u64) -> Result<(), (TransferError, Object)> {
        let mut given = Some(object.clone());
        let give = || Received { object: given.take().expect("it is given once"), rights, message };
        self.put_in_transit(&object, give).map_err(|error| (error, object))
    }

    /// Puts in transit what `give` gives, which is `object`. That is called under locks, if nothing stands against it.
    pub(super) fn put_in_transit(&self, object: &Object, give: impl FnOnce() -> Received) -> Result<(), TransferError> {
        let _one_at_a_time = match object {
            Object::Channel(end) => {
                let lock = END_IN_TRANSIT.lock();
                let is_own = Arc::ptr_eq(&end.holder.link, &self.holder.link);
                if is_own || !end.holder.own().inner.lock().transfers.is_empty() {
                    return Err(TransferError::Circle);
                }
                Some(lock)
            }
            _ => None,
        };
        let other = self.holder.other();
        let mut inner = other.inner.lock();
        // Under the lock: who closes it empties the list afterwards.
        if other.is_closed.load(Ordering::SeqCst) {
            return Err(TransferError::Closed);
        }
        if inner.transfers.len() == MAX_IN_TRANSIT {
            return Err(TransferError::Full);
        }
        inner.transfers.try_reserve(1).map_err(|_| TransferError::OutOfMemory)?;
        inner.transfers.push_back(give());
        drop(inner);
        other.ring();
        Ok(())
    }

    /// Takes what the other end has given, if it has given something. Does not block; context as [`signal`](Self::signal).
    ///
    /// # Errors
    /// As [`ReceiveError`] says.
    pub fn receive(&self) -> Result<Received, ReceiveError> {
        // First whether it is closed: what it gave before that is received.
        let is_closed = self.is_closed();
        let next = self.holder.own().inner.lock().transfers.pop_front();
        next.ok_or(if is_closed { ReceiveError::Closed } else { ReceiveError::Empty })
    }

    /// Has `proc` woken by the other end's signals, as long as `handle` is in its table.
    pub(super) fn listen(&self, proc: &Proc, handle: Handle) -> Result<(), HandleError> {
        let own = self.holder.own();
        let mut inner = own.inner.lock();
        inner.listeners.try_reserve(1).map_err(|_| HandleError::OutOfMemory)?;
        inner.listeners.push(Listener { proc, handle });
        // After that. (Hazard 2.)
        proc.show_closed(handle, self.is_closed());
        Ok(())
    }

    /// The opposite of [`listen`](Self::listen).
    pub(super) fn forget(&self, proc: &Proc, handle: Handle) {
        let mut inner = self.holder.own().inner.lock();
        inner.listeners.retain(|listener| !core::ptr::eq(listener.proc, proc) || listener.handle != handle);
    }
}

impl Bell for ChannelEnd {
    fn ring(&self) {
        self.holder.other().ring();
    }

    fn prepare(&self) -> u64 {
        self.holder.own().inner.lock().rung
    }

    fn wait(&self, since: u64) -> Result<(), Interrupted> {
        self.wait_until(since, None)
    }

    fn is_closed(&self) -> bool {
        self.holder.other().is_closed.load(Ordering::SeqCst)
    }
}

impl fmt::Debug for ChannelEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChannelEnd").field("is_closed", &self.is_closed()).finish_non_exhaustive()
    }
}
