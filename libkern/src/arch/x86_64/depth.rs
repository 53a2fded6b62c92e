//! Eight one-byte counters of the running core, in its block.
//!
//! Each change is one instruction, which finds the core and counts in one step: at no instruction boundary is a counter
//! wrong, and no migration can come between.

use core::arch::asm;

use super::core_block::DEPTH_LANES;
use super::core_block::offsets::DEPTH;

/// How many counters there are.
pub const LANES: usize = DEPTH_LANES;

/// Raises counter `LANE` of the running core by one. Any context.
#[inline(always)]
pub fn raise<const LANE: usize>() {
    const { assert!(LANE < LANES) };
    // SAFETY: the counter is this core's; nothing but the counter and the flags changes.
    unsafe { asm!("inc byte ptr gs:[{}]", const DEPTH + LANE, options(nostack)) };
}

/// Raises counter `LANE` of the running core by one, and says whether it is zero now. Any context.
#[inline(always)]
#[must_use]
pub fn claim<const LANE: usize>() -> bool {
    const { assert!(LANE < LANES) };
    // SAFETY: as in `raise`; the increment's own flag is what is tested.
    unsafe { asm!("inc byte ptr gs:[{}]", "jz {}", const DEPTH + LANE, label { return true }, options(nostack)) };
    false
}

/// Lowers counter `LANE` of the running core by one. Any context.
#[inline(always)]
pub fn lower<const LANE: usize>() {
    const { assert!(LANE < LANES) };
    // SAFETY: as in `raise`.
    unsafe { asm!("dec byte ptr gs:[{}]", const DEPTH + LANE, options(nostack)) };
}

/// Counter `LANE` of the running core. Any context.
#[inline(always)]
#[must_use]
pub fn get<const LANE: usize>() -> u8 {
    const { assert!(LANE < LANES) };
    let count: u8;
    // SAFETY: a read of this core's counter.
    unsafe {
        asm!("mov {}, byte ptr gs:[{}]", out(reg_byte) count, const DEPTH + LANE, options(nostack, preserves_flags))
    };
    count
}

/// Whether the first four counters of the running core are all zero: as one number, in two instructions. Any context.
#[inline(always)]
#[must_use]
pub fn first_half_is_zero() -> bool {
    // SAFETY: a read of this core's counters; the comparison's own flag is what is tested.
    unsafe {
        asm!("cmp dword ptr gs:[{}], 0", "jne {}", const DEPTH, label { return false }, options(nostack, readonly))
    };
    true
}
