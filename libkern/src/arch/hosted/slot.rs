//! Five words of the running core that upper layers may use, all zero when the core starts.
//!
//! For what must be found in one instruction, where a per-core variable takes three. Who uses which is said in
//! `sync::percore`.

use std::sync::atomic::Ordering::Relaxed;

use super::block;
use super::cores::here;

/// How many there are.
pub const SLOTS: usize = block::SLOTS;

/// Word `SLOT` of the running core. Any context; stale like [`core_id`](super::core_id).
#[inline(always)]
#[must_use]
pub fn get<const SLOT: usize>() -> usize {
    here().slots[SLOT].load(Relaxed)
}

/// Sets word `SLOT` of the running core. Any context.
#[inline(always)]
pub fn set<const SLOT: usize>(word: usize) {
    here().slots[SLOT].store(word, Relaxed);
}
