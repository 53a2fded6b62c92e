//! Eight one-byte counters of the running core, all zero when the core starts.
//!
//! On the metal each change is one instruction on `gs:[offset + LANE]`. Counters wrap: 255 is one below zero.

use std::sync::atomic::Ordering::Relaxed;

use super::block;
use super::cores::here;

/// How many counters there are.
pub const LANES: usize = block::LANES;

/// Raises counter `LANE` of the running core by one. Any context.
#[inline(always)]
pub fn raise<const LANE: usize>() {
    let _ = claim::<LANE>();
}

/// Raises counter `LANE` of the running core by one, and says whether it is zero now. On the metal the increment's own
/// flag is what is tested: two instructions in all. Any context.
#[inline(always)]
#[must_use]
pub fn claim<const LANE: usize>() -> bool {
    let lane = &here().lanes[LANE];
    let raised = lane.load(Relaxed).wrapping_add(1);
    lane.store(raised, Relaxed);
    raised == 0
}

/// Lowers counter `LANE` of the running core by one. Any context.
#[inline(always)]
pub fn lower<const LANE: usize>() {
    let lane = &here().lanes[LANE];
    lane.store(lane.load(Relaxed).wrapping_sub(1), Relaxed);
}

/// Counter `LANE` of the running core. Any context.
#[inline(always)]
#[must_use]
pub fn get<const LANE: usize>() -> u8 {
    here().lanes[LANE].load(Relaxed)
}

/// Whether the first four counters of the running core are all zero. Any context.
#[inline(always)]
#[must_use]
pub fn first_half_is_zero() -> bool {
    here().lanes[..LANES / 2].iter().all(|lane| lane.load(Relaxed) == 0)
}
