//! What was unmapped, until no processor knows it any more.
//!
//! The frames are remembered here and not in themselves, where a kernel stack's are linked: until all processors have
//! forgotten the mapping, a process on another core can write to them.

use alloc::vec::Vec;
use core::mem::{self, ManuallyDrop};
use core::ops::Range;

use crate::arch::PAGE_SIZE;
use crate::arch::user_tables::{Owner, UserLeaf};
use crate::mem::frames::{Frame, FrameUse};
use crate::mem::phys::PhysAddr;

use super::pages::Content;

/// What frames of processes count as.
pub(super) const USE: FrameUse = FrameUse::Processes;

/// Frames for which nothing need be allocated.
const IN_PLACE: usize = 8;

/// A range of which some processors may still know what was there, and the frames that were.
///
/// Whoever has one that a space has filled makes all cores that have the space loaded forget the range, if
/// [`is_needed`](Self::is_needed), and then says [`is_done`](Self::is_done), which frees the frames. One that is dropped
/// instead keeps them for ever: better a leak than memory that two have.
///
/// # Invariants
/// The frames were a space's own and are nobody else's now; those that were others', too, are held by `shared`.
#[derive(Debug)]
#[must_use = "its frames are free only when it is done"]
pub struct Flush {
    range: Range<usize>,
    is_needed: bool,
    few: heapless::Vec<PhysAddr, IN_PLACE>,
    more: Vec<PhysAddr>,
    /// Who has it may be the last who has its frames.
    shared: Vec<ManuallyDrop<Content>>,
}

impl Flush {
    /// One in which nothing is yet.
    #[inline(always)]
    pub fn new(range: Range<usize>) -> Self {
        Self { range, is_needed: false, few: heapless::Vec::new(), more: Vec::new(), shared: Vec::new() }
    }

    /// Whether there is room whatever is mapped.
    #[inline(always)]
    pub(super) fn has_room(&self) -> bool {
        self.range.len() <= IN_PLACE * PAGE_SIZE
    }

    /// Makes room for `frames`, and says whether there was.
    pub(super) fn reserve(&mut self, frames: usize) -> bool {
        frames <= IN_PLACE || self.more.try_reserve(frames - IN_PLACE).is_ok()
    }

    /// As [`reserve`](Self::reserve), for `contents` that are shared.
    pub(super) fn reserve_shared(&mut self, contents: usize) -> bool {
        contents == 0 || self.shared.try_reserve(contents).is_ok()
    }

    /// Keeps what was behind a part of the range, if it is shared; there is room.
    pub(super) fn keep(&mut self, content: Content) {
        if content.is_shared() {
            self.shared.push(ManuallyDrop::new(content));
        }
    }

    /// Adds what was mapped, for which there is room.
    #[inline(always)]
    pub(super) fn add(&mut self, leaf: &UserLeaf) {
        // A processor marks a mapping as used before it remembers it.
        self.is_needed |= leaf.was_accessed;
        if leaf.owner == Owner::Space
            && let Err(frame) = self.few.push(PhysAddr::new(leaf.phys))
        {
            self.more.push(frame);
        }
    }

    pub(super) fn require(&mut self) {
        self.is_needed = true;
    }

    /// The addresses that must be forgotten.
    #[must_use]
    pub fn range(&self) -> Range<usize> {
        self.range.clone()
    }

    /// Whether some processor may know any of it.
    #[must_use]
    pub fn is_needed(&self) -> bool {
        self.is_needed
    }

    /// Frames that will be free.
    #[must_use]
    pub fn frames(&self) -> usize {
        self.few.len() + self.more.len()
    }

    /// Says that no processor knows any of it. The frames are free.
    #[inline(always)]
    pub fn is_done(&mut self) {
        for &frame in &self.few {
            // SAFETY: by the invariant; this value is about to have it no more.
            drop(unsafe { Frame::from_raw(frame, USE) });
        }
        self.few.clear();
        if !self.more.is_empty() || !self.shared.is_empty() {
            self.free_more();
        }
    }

    #[cold]
    fn free_more(&mut self) {
        for frame in mem::take(&mut self.more) {
            // SAFETY: as above.
            drop(unsafe { Frame::from_raw(frame, USE) });
        }
        mem::take(&mut self.shared).into_iter().map(ManuallyDrop::into_inner).for_each(drop);
    }
}
