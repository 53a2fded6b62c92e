//! Memory: frames, the heap that stands on them, and address spaces.
//!
//! | module | what it owns |
//! |---|---|
//! | [`phys`] | physical addresses, and where the direct map shows them |
//! | [`frames`] | every frame of memory, free or counted under a use |
//! | `heap` | objects of any size; behind [`Heap`], which Rust's `alloc` uses |
//! | `report` | who holds the memory |
//! | `stack` | kernel stacks |
//! | [`space`] | address spaces of processes |
//!
//! # Life
//!
//! [`init`] once, when the direct map stands; from then on everything works on every core, under the global locks. Each
//! core says [`core_online`] once it runs on its own block of per-core variables, and from then on keeps stocks of its own.
//! (Not before: what core 0 leaves in the template of the per-core variables is what every other core starts with, and two
//! cores with the same free objects would be two owners.)
//!
//! # Absences
//!
//! Nothing in `mem` blocks, and nothing needs interrupts to be on. No lock of `mem` is held while code outside of it runs.

pub mod frames;
mod heap;
pub mod phys;
mod report;
pub mod space;
#[cfg(not(any(test, feature = "hosted")))]
pub mod stack;
#[cfg(test)]
pub(crate) mod testing;

use core::ops::Range;

use frames::Managed;
pub use frames::{FrameUse, OutOfMemory};
pub use heap::Heap;
pub use report::{HeapStats, Stats, report, stats};

use crate::arch::PAGE_SIZE;

/// Gives free memory to the allocators. `taken_frames` were taken from it before, for good; they count as used for
/// [`FrameUse::Boot`].
///
/// # Errors
/// As [`frames::init`].
///
/// # Panics
/// As [`frames::init`].
///
/// # Safety
/// As [`frames::init`].
pub unsafe fn init(
    regions: impl Iterator<Item = Range<u64>> + Clone,
    taken_frames: usize,
) -> Result<Managed, OutOfMemory> {
    // SAFETY: the caller's word.
    let managed = unsafe { frames::init(regions) }?;
    frames::count_taken_before(taken_frames);
    Ok(managed)
}

/// Lets the running core keep free memory of its own. Once for each core, on its own per-core variables; again is harmless.
pub fn core_online() {
    frames::core_online();
    heap::core_online(frames::total() * PAGE_SIZE);
}

/// Takes free memory out of the heap's caches, on this core at once, on others soon; arenas that are empty then become
/// frames. For code that needs frames, or a long run of them, and found none. Any context but NMI.
pub fn trim() {
    heap::trim();
}

/// Gives up what this core keeps, if another has asked for it. For a core about to go idle: a few instructions if nobody
/// has. Any context but NMI.
pub fn answer_trim() {
    heap::answer();
}

/// Whether what runs here interrupted, or panicked in, the use of this core's part of the heap. On a core that is online.
#[cfg(not(any(test, feature = "hosted")))]
pub(crate) fn is_in_heap() -> bool {
    heap::is_claimed()
}

/// Whether some allocation has ever failed for want of memory. A panic that may be its consequence prints the report.
pub fn exhausted() -> bool {
    heap::last_failure().is_some()
}
