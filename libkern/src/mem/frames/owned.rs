//! Values that own frames.

use core::mem::ManuallyDrop;
use core::num::NonZeroUsize;
use core::ops::Range;

use super::store::{free, free_run};
use super::usage::{FrameUse, UseNumber};
use crate::arch::PAGE_SIZE;
use crate::mem::phys::PhysAddr;

/// One frame of memory. Dropping it frees it; see [the module](super) for why.
///
/// # Invariants
/// The address of a frame that is this value's alone; in the bits below the page the number of its use, and `FRAME`.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "dropping a frame frees it"]
pub struct Frame(NonZeroUsize);

/// Set in every [`Frame`], so that none is zero.
const FRAME: NonZeroUsize = NonZeroUsize::new(PAGE_SIZE / 2).expect("a page has two halves");
const _: () = assert!(FrameUse::COUNT <= FRAME.get());

impl Frame {
    #[inline(always)]
    pub(super) fn new(frame: usize, usage: FrameUse) -> Self {
        // INVARIANT: the allocator gave the frame up to the caller.
        Self(FRAME | usage as usize | (frame * PAGE_SIZE))
    }

    /// Where it is.
    #[must_use]
    pub fn addr(&self) -> PhysAddr {
        PhysAddr::of_frame(self.number())
    }

    /// What it is used for.
    #[must_use]
    pub fn usage(&self) -> FrameUse {
        self.use_number().usage()
    }

    /// Gives the frame into somebody else's keeping, a page-table entry's for example. It stays counted under its use.
    #[must_use]
    pub fn into_raw(self) -> PhysAddr {
        ManuallyDrop::new(self).addr()
    }

    /// Takes a frame back from such keeping.
    ///
    /// # Safety
    /// `addr` came from [`Frame::into_raw`] of a frame used for `usage`, and is taken back once.
    pub unsafe fn from_raw(addr: PhysAddr, usage: FrameUse) -> Self {
        Self::new(addr.frame(), usage)
    }

    #[inline(always)]
    fn number(&self) -> usize {
        self.0.get() / PAGE_SIZE
    }

    #[inline(always)]
    fn use_number(&self) -> UseNumber {
        UseNumber(self.0.get() % FRAME.get())
    }
}

impl Drop for Frame {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: the frame is this value's alone (invariant of the type), and the value ends.
        unsafe { free(self.number(), self.use_number()) };
    }
}

/// Frames in a row. Dropping it frees them; see [the module](super) for why.
///
/// # Invariants
/// The frames are this value's alone, and there is at least one.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "dropping a run frees it"]
pub struct Run {
    start: usize,
    frames: usize,
    usage: FrameUse,
}

impl Run {
    pub(super) fn new(start: usize, frames: usize, usage: FrameUse) -> Self {
        Self { start, frames, usage }
    }

    /// Where the first one is.
    #[must_use]
    pub fn addr(&self) -> PhysAddr {
        PhysAddr::of_frame(self.start)
    }

    /// How many there are.
    #[must_use]
    pub fn frames(&self) -> usize {
        self.frames
    }

    /// How many bytes that is.
    #[must_use]
    pub fn len_bytes(&self) -> usize {
        self.frames * PAGE_SIZE
    }

    /// Frees all but the first `frames`.
    ///
    /// # Panics
    /// If there are not that many, or none would be left.
    pub fn truncate(&mut self, frames: usize) {
        assert!(frames > 0 && frames <= self.frames, "a run of {} is not cut to {frames}", self.frames);
        let rest = self.start + frames..self.start + self.frames;
        self.frames = frames;
        if !rest.is_empty() {
            // SAFETY: the frames were this value's, and are not any more.
            unsafe { free_run(rest, self.usage) };
        }
    }

    /// Gives the run into somebody else's keeping, who remembers where it is and how long. It stays counted under its use.
    #[must_use]
    pub fn into_raw(self) -> PhysAddr {
        ManuallyDrop::new(self).addr()
    }

    /// Takes a run, or a part of one, back from such keeping.
    ///
    /// # Safety
    /// The frames are part of a run used for `usage` that was given to [`Run::into_raw`], at least one, and each is taken
    /// back once.
    pub unsafe fn from_raw(addr: PhysAddr, frames: usize, usage: FrameUse) -> Self {
        Self::new(addr.frame(), frames, usage)
    }

    fn range(&self) -> Range<usize> {
        self.start..self.start + self.frames
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // SAFETY: the frames are this value's alone (invariant of the type), and the value ends.
        unsafe { free_run(self.range(), self.usage) };
    }
}
