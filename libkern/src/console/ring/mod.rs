//! The ring: where lines wait for the drainer.
//!
//! A sequence of *slots* of 64 bytes. Positions count slots from the beginning of time and never wrap (64 bits); slot
//! `position % SLOTS` is where a position is. A *record*, one line as a rule, takes as many slots in a row as it needs.
//! Each slot has a *stamp*, a word apart from its bytes, that says whether a committed record begins there: the
//! record's position and its length.
//!
//! ```text
//!            head                             tail
//!             |                                |
//!   free      v  committed  reserved  committed v      free
//!   ----------[ rec 3 ------][ rec 5 ][ rec 6 --]----------------
//! ```
//!
//! The life of a slot, with the function that takes each edge:
//!
//! ```text
//!   free --1--> reserved --2--> committed --3--> free
//!
//!   1  reserve   one compare-and-swap of `tail`, any number of slots
//!   2  commit    bytes written, then the stamp
//!   3  release   `head` moves past the record
//! ```
//!
//! Who may touch what: between 1 and 2 the slots belong to the one who reserved them. From 2 to 3 anybody may read
//! them. `head` belongs to the drainer.
//!
//! # Hazards
//!
//! 1. *A writer is interrupted between 1 and 2*, and the handler prints. It reserves behind, commits, and returns; the
//!    drainer waits at the older record. Nobody spins, because nothing needs the older record to get on but the
//!    drainer, who comes back later.
//! 2. *A writer never gets from 1 to 2*, because an NMI stopped its core for a panic. The panicking core walks from
//!    `head` to `tail` slot by slot and takes whatever has the stamp of the position it is at. This is why the stamp is
//!    apart from the bytes: no byte of an abandoned record can pass for one.
//! 3. *A stamp of an earlier lap* is in every slot that was used before. It names another position, and is no stamp.
//! 4. *A slot is reused while the drainer reads it.* A writer reserves only what is at most `SLOTS` above the `head`
//!    that it read with acquire ordering; the drainer moves `head` with release ordering, after its last look at the
//!    bytes.
//!
//! Rejected: a byte ring with headers inside it (a panic cannot find the record behind an abandoned one), a lock with
//! interrupts off around the copy (a stopped core would keep it), and a ring per core (the order of lines from
//! different cores would have to be guessed by time stamps, and 288 rings cost memory).

use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::cell::UnsafeCell;

/// Bytes in a slot.
pub(super) const SLOT: usize = 64;

/// The longest record, in bytes.
pub(super) const MAX_RECORD: usize = 512;

/// Bits of a stamp that hold the length.
const LEN_BITS: u32 = 16;

const _: () = assert!(MAX_RECORD < 1 << LEN_BITS);

/// Records in the order in which they were reserved.
///
/// # Invariants
///
/// - `head <= tail <= head + SLOTS`, and neither ever decreases.
/// - Slots of the positions from `tail` to `head + SLOTS` are nobody's.
/// - A stamp that names position `p` was stored for `p`, after the bytes of its record.
pub(super) struct Ring<const SLOTS: usize> {
    tail: AtomicU64,
    head: AtomicU64,
    stamps: [AtomicU64; SLOTS],
    slots: [UnsafeCell<[u8; SLOT]>; SLOTS],
}

// SAFETY: the bytes of a slot are written only by whoever reserved it and read only once committed; see the life of a
// slot in the module's head.
unsafe impl<const SLOTS: usize> Sync for Ring<SLOTS> {}

/// Slots that belong to their holder until they are committed. Dropped, it holds up the drainer until a panic.
#[must_use = "what is reserved must be committed"]
pub(super) struct Reservation {
    position: u64,
    len: usize,
}

/// A committed record that the drainer has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record {
    position: u64,
    len: usize,
}

impl Record {
    /// Length in bytes, 1 to [`MAX_RECORD`].
    pub(super) const fn len(self) -> usize {
        self.len
    }

    /// The position behind it.
    pub(super) const fn end(self) -> u64 {
        self.position + slots_of(self.len)
    }
}

const fn slots_of(len: usize) -> u64 {
    len.div_ceil(SLOT) as u64
}

impl<const SLOTS: usize> Ring<SLOTS> {
    const CHECK: () = assert!(SLOTS.is_power_of_two());

    /// An empty ring.
    #[cfg(not(all(loom, test)))]
    pub(super) const fn new() -> Self {
        let () = Self::CHECK;
        Self {
            tail: AtomicU64::new(0),
            head: AtomicU64::new(0),
            stamps: [const { AtomicU64::new(0) }; SLOTS],
            slots: [const { UnsafeCell::new([0; SLOT]) }; SLOTS],
        }
    }

    /// An empty ring. Loom's types have no constant constructor.
    #[cfg(all(loom, test))]
    pub(super) fn new() -> Self {
        let () = Self::CHECK;
        Self {
            tail: AtomicU64::new(0),
            head: AtomicU64::new(0),
            stamps: core::array::from_fn(|_| AtomicU64::new(0)),
            slots: core::array::from_fn(|_| UnsafeCell::new([0; SLOT])),
        }
    }

    /// Edge 1: takes the slots for a record of `len` bytes, 1 to [`MAX_RECORD`]; `None` if there is no room. Any
    /// context.
    pub(super) fn reserve(&self, len: usize) -> Option<Reservation> {
        let wanted = slots_of(len);
        // Relaxed: `tail` only hands out numbers; what the slots hold is ordered by `head` and the stamps.
        let mut tail = self.tail.load(Ordering::Relaxed);
        loop {
            // Acquire, with `release`: whoever reads the slots that become ours is done (hazard 4).
            let head = self.head.load(Ordering::Acquire);
            // A `tail` read long ago may lie below `head`. The exchange then fails and brings a new one.
            if tail.saturating_sub(head) + wanted > SLOTS as u64 {
                return None;
            }
            let exchanged = self.tail.compare_exchange_weak(tail, tail + wanted, Ordering::Relaxed, Ordering::Relaxed);
            match exchanged {
                Ok(position) => return Some(Reservation { position, len }),
                Err(newer) => tail = newer,
            }
        }
    }

    /// Edge 2: fills the slots with `bytes`, as many as were reserved, and lets the drainer have them. Any context.
    pub(super) fn commit(&self, reservation: Reservation, bytes: &[u8]) {
        let Reservation { position, len } = reservation;
        debug_assert_eq!(len, bytes.len());
        for (at, chunk) in (position..).zip(bytes.chunks(SLOT)) {
            self.slots[Self::index(at)].with_mut(|slot| {
                // SAFETY: the slot was reserved for this call's caller and is not committed yet, so nobody else touches
                // it (life of a slot).
                let slot = unsafe { &mut *slot };
                slot[..chunk.len()].copy_from_slice(chunk);
            });
        }
        // Release, with `find`: who sees the stamp sees the bytes.
        self.stamps[Self::index(position)].store(Self::stamp(position, len), Ordering::Release);
    }

    /// The committed record at `position`. `None` if it is not committed, or no record begins there.
    pub(super) fn find(&self, position: u64) -> Option<Record> {
        // Acquire, with `commit`.
        let stamp = self.stamps[Self::index(position)].load(Ordering::Acquire);
        let len = (stamp & ((1 << LEN_BITS) - 1)) as usize;
        (len > 0 && stamp == Self::stamp(position, len)).then_some(Record { position, len })
    }

    /// Calls `f` with the bytes of `record` from `offset` on, at most to the end of a slot.
    ///
    /// # Safety
    ///
    /// `record` was found in this ring and has not been released, and `offset` is less than its length.
    pub(super) unsafe fn read<R>(&self, record: Record, offset: usize, f: impl FnOnce(&[u8]) -> R) -> R {
        let index = Self::index(record.position + (offset / SLOT) as u64);
        let (start, end) = (offset % SLOT, record.len - offset / SLOT * SLOT);
        self.slots[index].with(|slot| {
            // SAFETY: the record is committed and not released, so nobody writes the slot (life of a slot).
            let slot = unsafe { &*slot };
            f(&slot[start..end.min(SLOT)])
        })
    }

    /// Edge 3: frees everything below `position`, to which `head` moves. Only the drainer calls it.
    pub(super) fn release(&self, position: u64) {
        // Release, with `reserve`: our reads of the slots come before anybody's writes to them.
        self.head.store(position, Ordering::Release);
    }

    /// The oldest position that is not free.
    pub(super) fn head(&self) -> u64 {
        // Relaxed: for the drainer, who wrote it, and for those who watch whether it moves.
        self.head.load(Ordering::Relaxed)
    }

    /// The position that will be reserved next.
    #[cfg(not(all(loom, test)))]
    pub(super) fn tail(&self) -> u64 {
        // Relaxed: whatever was reserved meanwhile is found on the next look.
        self.tail.load(Ordering::Relaxed)
    }

    /// Whether all that was reserved has been released.
    pub(super) fn is_empty(&self) -> bool {
        // Relaxed: as both above.
        self.head.load(Ordering::Relaxed) == self.tail.load(Ordering::Relaxed)
    }

    const fn index(position: u64) -> usize {
        position as usize % SLOTS
    }

    /// Positions reach 48 bits after centuries.
    const fn stamp(position: u64, len: usize) -> u64 {
        position << LEN_BITS | len as u64
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
