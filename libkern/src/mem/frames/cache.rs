//! Each core's stock of single frames.
//!
//! A core takes frames from its stock and puts them back there; the pool is asked for a batch, or given one, only when
//! the stock is empty or full. The stock has a lock of its own, which nobody else takes as long as there is memory: its
//! line stays in the core's cache, and its locked instruction is an exchange with nobody.
//!
//! Why a lock at all, when the owner could do with interrupts off? For the day on which memory runs out: then whoever
//! needs a frame empties the stocks of *all* cores into the pool, so that "out of memory" means that no frame is free
//! anywhere. A core could be asked to empty its own, but an answer would have to be waited for, with a core that sleeps
//! or holds interrupts off at the other end, by code that may itself have them off.
//!
//! # Freed twice
//!
//! A [`Frame`](super::Frame) is a value and cannot be dropped twice, but it can be made out of thin air by unsafe code
//! that lost count. The pool's bitmaps would tell; a stock has none, and a frame that is in it twice would be handed out
//! twice. So a frame in a stock is *stamped*: its first word says so. Taking it clears the word, and freeing a frame that
//! has the stamp leads to an exact check, everywhere, before anything else happens. (Equal contents by coincidence
//! cost the search and nothing more.)

use super::usage::{FrameUse, UseNumber};
use crate::mem::phys::PhysAddr;
use crate::sync::{Entry, LeafLock};

/// Frames that a stock can hold.
pub(super) const CAPACITY: usize = 64;

/// Frames that move between a stock and the pool at a time, at most.
pub(super) const BATCH: usize = CAPACITY / 2;

/// What the stamp of a frame is more than its number. Small, so that adding it is one instruction, and negative, so that
/// few words in memory look like it.
const STAMP: usize = (-0x5e1f_f4ee_isize).cast_unsigned();

/// Room for a counter for each use, as a power of two.
const COUNTERS: usize = FrameUse::COUNT.next_power_of_two();

/// # Invariants
/// `frames[..len]` are free, in no other stock and not in the pool, and the direct map shows them. `len` is at most
/// `limit`, which is at most [`CAPACITY`]: zero until the core is online.
pub(super) struct Stock {
    len: usize,
    limit: usize,
    /// Frames taken less frames put back, by use. May be negative: frames come back on other cores.
    used: [isize; COUNTERS],
    frames: [usize; CAPACITY],
}

impl Stock {
    #[inline(always)]
    pub(super) fn take(&mut self, usage: FrameUse) -> Option<usize> {
        let last = self.len.checked_sub(1)?;
        self.len = last;
        self.used[usage as usize] += 1;
        let frame = self.frames[last % CAPACITY];
        // SAFETY: the frame is free, and this core's to take (invariant of the type).
        unsafe { stamp_of(frame).write(0) };
        Some(frame)
    }

    /// Puts a frame in, unless there is no room or it bears the stamp of a frame that is free, and says whether it did.
    ///
    /// # Safety
    /// The frame is the caller's, who gives it up if it is put; the direct map shows it.
    #[inline(always)]
    #[must_use]
    pub(super) unsafe fn put(&mut self, frame: usize, usage: UseNumber) -> bool {
        // SAFETY: the caller's word.
        if self.len >= self.limit || unsafe { is_stamped(frame) } {
            return false;
        }
        // SAFETY: the caller gave the frame up.
        unsafe { stamp_of(frame).write(frame.wrapping_add(STAMP)) };
        // INVARIANT: `len` was below `limit`, and the frame was the caller's.
        self.frames[self.len % CAPACITY] = frame;
        self.len += 1;
        self.used[usage.0 % COUNTERS] -= 1;
        true
    }

    /// Counts `frames` more (or, if negative, fewer) as used for `usage`, which came from or went to the pool directly.
    pub(super) fn count(&mut self, usage: FrameUse, frames: isize) {
        self.used[usage as usize] += frames;
    }

    /// How many frames, all in all, were taken for `usage` by way of this stock.
    pub(super) fn used(&self, usage: FrameUse) -> isize {
        self.used[usage as usize]
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// How many frames it may hold.
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// Lets it hold `limit` frames.
    pub(super) fn set_limit(&mut self, limit: usize) {
        self.limit = limit.min(CAPACITY);
    }

    pub(super) fn contains(&self, frame: usize) -> bool {
        self.frames[..self.len].contains(&frame)
    }

    /// Moves frames out to `frames`, the ones that rested longest first, and says how many.
    pub(super) fn pour_out(&mut self, frames: &mut [usize]) -> usize {
        let count = frames.len().min(self.len);
        frames[..count].copy_from_slice(&self.frames[..count]);
        self.frames.copy_within(count..self.len, 0);
        self.len -= count;
        count
    }

    /// Moves frames in, as many as there is room for, and says how many those were.
    ///
    /// # Safety
    /// The frames are free, in no stock and not in the pool, and the direct map shows them.
    pub(super) unsafe fn pour_in(&mut self, frames: &[usize]) -> usize {
        let count = frames.len().min(self.limit - self.len);
        // INVARIANT: they were in no stock, by the caller's word.
        self.frames[self.len..self.len + count].copy_from_slice(&frames[..count]);
        self.len += count;
        count
    }
}

/// Whether the frame bears the stamp of one that is in a stock.
///
/// # Safety
/// The direct map shows the frame.
#[inline(always)]
pub(super) unsafe fn is_stamped(frame: usize) -> bool {
    // SAFETY: the direct map shows it. Its owner has given it up; and if somebody took it meanwhile, by the mistake that
    // this looks for, the word is whatever it is.
    unsafe { stamp_of(frame).read_volatile() == frame.wrapping_add(STAMP) }
}

fn stamp_of(frame: usize) -> *mut usize {
    PhysAddr::of_frame(frame).to_ptr()
}

/// A core's stock, as others find it.
pub(super) type CoreStock = Entry<LeafLock<Stock>>;

/// One that may hold nothing yet.
pub(super) const fn empty() -> CoreStock {
    Entry::new(LeafLock::new(Stock { len: 0, limit: 0, used: [0; COUNTERS], frames: [0; CAPACITY] }))
}
