//! Messages to and from whoever has the other end of a channel.
//!
//! A parent passes a child an end of a channel and a region of memory, and both put rings into the region: [`connect`] does
//! here what `Duplex::new` does there. How many words a ring has is agreed beforehand; neither side believes what the memory
//! says about it. (The protocol, and what a hostile peer can do, is in `mcp_ring`.)

use core::sync::atomic::{AtomicU64, Ordering};

pub use mcp_ring::memory::LINE;
pub use mcp_ring::spsc::{Receiver, RecvError, SendError, Sender};
pub use mcp_ring::{Bell, CallError, Duplex, Interrupted, Memory, Message, Side, duplex, mpsc, spsc};

use mcp_abi::call::{Error, number, rights};
use mcp_abi::process::PAGE_LEN;

use crate::handle::{self, Handle};
use crate::{call, process};

/// A region that is mapped, for good.
#[derive(Clone, Copy, Debug)]
pub struct Shared {
    start: *const AtomicU64,
    words: usize,
}

// SAFETY: memory that is there until the process ends, and that is touched by atomics only.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    /// Maps the first `len` bytes of a region, to be read and written. They stay mapped.
    ///
    /// # Errors
    /// [`Error::BadHandle`] if it is no region, [`Error::NoRight`], [`Error::Invalid`] if the region is shorter;
    /// [`Error::NoMemory`], [`Error::Limit`].
    pub fn map(region: Handle, len: usize) -> Result<Shared, Error> {
        let len = len.next_multiple_of(PAGE_LEN);
        let at = call::one(number::MAP, [0, len as u64, rights::READ | rights::WRITE, region.to_word(), 0])?;
        Ok(Shared { start: core::ptr::with_exposed_provenance(at as usize), words: len / size_of::<u64>() })
    }
}

impl Memory for Shared {
    #[inline]
    fn word(&self, index: usize) -> &AtomicU64 {
        assert!(index < self.words, "a word of the region");
        // SAFETY: within what is mapped; it stays.
        unsafe { &*self.start.add(index) }
    }

    #[inline]
    fn line(&self, first: usize) -> &[AtomicU64; LINE] {
        // Whole pages are mapped, at least one.
        assert!(first <= self.words - LINE, "a line of the region");
        // SAFETY: as above.
        unsafe { &*self.start.add(first).cast() }
    }
}

/// An end of a channel as what wakes the other side.
#[derive(Clone, Copy, Debug)]
pub struct Doorbell {
    end: Handle,
}

impl Doorbell {
    /// Of an end that this process has, and may write to.
    #[must_use]
    pub const fn new(end: Handle) -> Self {
        Self { end }
    }
}

impl Bell for Doorbell {
    fn ring(&self) {
        // If nobody is there, nobody waits.
        let _ = handle::signal(self.end);
    }

    fn prepare(&self) -> u64 {
        // Before the looks that follow. Partner: the kernel posts, and then sets it.
        process::slot().notif_pending.store(0, Ordering::SeqCst);
        0
    }

    fn wait(&self, _: u64) -> Result<(), Interrupted> {
        call::wait();
        Ok(())
    }

    #[inline]
    fn ring_and_wait(&self, since: u64) -> Result<(), Interrupted> {
        // If nobody is there, that is found at the next look.
        if call::one_is(number::SIGNAL_AND_WAIT, self.end.to_word(), Error::NotAllowed) {
            // A process may have been given the two and not this one.
            self.ring();
            return self.wait(since);
        }
        Ok(())
    }

    #[inline]
    fn is_closed(&self) -> bool {
        let index = self.end.index();
        // Acquire: what the other side did before. Partner: the kernel's store.
        process::data().closed.get(index / 64).is_none_or(|word| word.load(Ordering::Acquire) >> (index % 64) & 1 != 0)
    }
}

/// This side of two rings of `capacity` words each, which lie at the beginning of `region`, and whose other side has the
/// other end of the channel.
///
/// # Errors
/// As [`Shared::map`].
///
/// # Panics
/// If the capacity is no power of two, or less than 2.
pub fn connect(end: Handle, region: Handle, capacity: usize) -> Result<Duplex<Shared, Doorbell>, Error> {
    let shared = Shared::map(region, duplex::len(capacity))?;
    Ok(Duplex::new(shared, capacity, Side::Second, Doorbell::new(end)))
}
